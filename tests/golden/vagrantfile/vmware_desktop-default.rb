# The machines of cluster hybrid on vmware_desktop. Written by `invoke up` from variables.yaml; changes
# made here are overwritten. Vagrant only makes, starts and stops the machines: it provisions nothing.
# The last card of each machine, with the MAC below, is the cluster's own; a step configures it in the guest.

Vagrant.configure("2") do |config|
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.vm.box_check_update = false

  # control-plane, linux
  config.vm.define "cp1" do |node|
    node.vm.box = "bento/ubuntu-24.04"
    node.vm.boot_timeout = 900
    # After a minute, Vagrant's own limit, a busy machine would lose its power in the middle of its writing.
    node.vm.graceful_halt_timeout = 180
    node.vm.network "private_network",
      ip: "192.168.56.10",
      mac: "005056070F42",
      auto_config: false,
      netmask: "255.255.255.0"

    node.vm.provider "vmware_desktop" do |v|
      v.memory = 4096
      v.cpus = 2
      v.linked_clone = true
      v.allowlist_verified = :disable_warning
      v.vmx["displayname"] = "hybrid-cp1"
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
    node.vm.network "private_network",
      ip: "192.168.56.11",
      mac: "0050561A1249",
      auto_config: false,
      netmask: "255.255.255.0"

    node.vm.provider "vmware_desktop" do |v|
      v.memory = 6144
      v.cpus = 2
      v.linked_clone = true
      v.allowlist_verified = :disable_warning
      v.vmx["displayname"] = "hybrid-winw1"
    end
  end
end
