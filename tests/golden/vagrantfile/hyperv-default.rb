# The machines of cluster hybrid on hyperv. Written by `invoke up` from variables.yaml; changes
# made here are overwritten. Vagrant only makes, starts and stops the machines: it provisions nothing.
# The last card of each machine, with the MAC below, is the cluster's own; a step configures it in the guest.

# The provider cannot add a second card, so it is added to the running machine (generation 2 allows that).
attach_card = lambda do |id, mac|
  script = <<~'SCRIPT'.gsub("VM_ID", id).gsub("CARD_MAC", mac)
    $ErrorActionPreference = 'Stop'
    $Machine = Get-VM -Id 'VM_ID'
    $Switch = 'hybrid-hybrid'
    if (-not (Get-VMSwitch -Name $Switch -ErrorAction SilentlyContinue)) {
      New-VMSwitch -Name $Switch -SwitchType Internal | Out-Null
    }
    $Alias = 'vEthernet (' + $Switch + ')'
    if (-not (Get-NetIPAddress -InterfaceAlias $Alias -IPAddress '192.168.56.1' -ErrorAction SilentlyContinue)) {
      New-NetIPAddress -InterfaceAlias $Alias -IPAddress '192.168.56.1' -PrefixLength 24 | Out-Null
    }
    if (-not (Get-VMNetworkAdapter -VM $Machine | Where-Object { $_.Name -eq 'kube' })) {
      Add-VMNetworkAdapter -VM $Machine -Name 'kube' -SwitchName $Switch -StaticMacAddress 'CARD_MAC'
    }
    Set-VMNetworkAdapter -VM $Machine -Name 'kube' -MacAddressSpoofing On
    'attached'
  SCRIPT
  said = Vagrant::Util::PowerShell.execute_cmd(script).to_s
  raise "the cluster's card could not be attached; Hyper-V needs an elevated shell" unless said.include?("attached")
end

Vagrant.configure("2") do |config|
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.vm.box_check_update = false

  # control-plane, linux
  config.vm.define "cp1" do |node|
    node.vm.box = "gusztavvargadr/ubuntu-server-2404-lts"
    node.vm.boot_timeout = 900
    # After a minute, Vagrant's own limit, a busy machine would lose its power in the middle of its writing.
    node.vm.graceful_halt_timeout = 180
    node.vm.network "public_network", bridge: "Default Switch"
    node.trigger.after :up do |trigger|
      trigger.name = "The cluster's card"
      trigger.ruby { |_env, vm| attach_card.call(vm.id, "005056070F42") }
    end

    node.vm.provider "hyperv" do |v|
      v.vmname = "hybrid-cp1"
      v.memory = 4096
      v.maxmemory = 4096
      v.cpus = 2
      v.linked_clone = true
      v.enable_checkpoints = true
      v.enable_automatic_checkpoints = false
    end
  end

  # worker, windows
  config.vm.define "winw1" do |node|
    node.vm.box = "gusztavvargadr/windows-server-2022-standard-core"
    node.vm.boot_timeout = 900
    # After a minute, Vagrant's own limit, a busy machine would lose its power in the middle of its writing.
    node.vm.graceful_halt_timeout = 180
    node.vm.guest = :windows
    node.vm.communicator = "winrm"
    node.winrm.username = "vagrant"
    node.winrm.password = "vagrant"
    node.winrm.timeout = 900
    node.vm.network "public_network", bridge: "Default Switch"
    node.trigger.after :up do |trigger|
      trigger.name = "The cluster's card"
      trigger.ruby { |_env, vm| attach_card.call(vm.id, "0050561A1249") }
    end

    node.vm.provider "hyperv" do |v|
      v.vmname = "hybrid-winw1"
      v.memory = 6144
      v.maxmemory = 6144
      v.cpus = 2
      v.linked_clone = true
      v.enable_checkpoints = true
      v.enable_automatic_checkpoints = false
    end
  end
end
