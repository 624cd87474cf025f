# The machines of cluster hybrid on virtualbox. Written by `invoke up` from variables.yaml; changes
# made here are overwritten. Vagrant only makes, starts and stops the machines: it provisions nothing.
# The last card of each machine, with the MAC below, is the cluster's own; a step configures it in the guest.

Vagrant.configure("2") do |config|
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.vm.box_check_update = false
  # The vbguest plugin would rebuild the Guest Additions for up to a quarter of an hour; nothing here uses them.
  config.vbguest.auto_update = false if Vagrant.has_plugin?("vagrant-vbguest")

  # control-plane, linux
  config.vm.define "cp1" do |node|
    node.vm.box = "lab/debian"
    node.vm.box_version = "12.1"
    node.vm.boot_timeout = 900
    # After a minute, Vagrant's own limit, a busy machine would lose its power in the middle of its writing.
    node.vm.graceful_halt_timeout = 180
    node.vm.network "private_network",
      ip: "192.168.56.10",
      mac: "005056070F42",
      auto_config: false,
      netmask: "255.255.255.0"
    node.vm.hostname = "x"

    node.vm.provider "virtualbox" do |v|
      v.name = "hybrid-cp1"
      v.memory = 4096
      v.cpus = 2
      v.linked_clone = true
      v.check_guest_additions = false
      # Windows puts a virtual switch on the card: frames for the pods' addresses must reach it.
      v.customize ["modifyvm", :id, "--nicpromisc2", "allow-all"]
      v.gui = true
      v.customize ["modifyvm", :id, "--audio", "none"]
    end
  end

  # worker, windows
  config.vm.define "winw1" do |node|
    node.vm.box = "lab/win"
    node.vm.box_url = "https://boxes.example/win.json"
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
    node.vm.hostname = "x"

    node.vm.provider "virtualbox" do |v|
      v.name = "hybrid-winw1"
      v.memory = 4096
      v.cpus = 2
      v.linked_clone = true
      v.check_guest_additions = false
      # Windows puts a virtual switch on the card: frames for the pods' addresses must reach it.
      v.customize ["modifyvm", :id, "--nicpromisc2", "allow-all"]
      v.customize ["modifyvm", :id, "--nested-hw-virt", "on"]
      v.gui = true
      v.customize ["modifyvm", :id, "--audio", "none"]
    end
  end

  # worker, windows
  config.vm.define "winw2" do |node|
    node.vm.box = "hybrid/win2022"
    node.vm.box_url = "file:///boxes/win2022.box"
    node.vm.boot_timeout = 900
    # After a minute, Vagrant's own limit, a busy machine would lose its power in the middle of its writing.
    node.vm.graceful_halt_timeout = 180
    node.vm.guest = :windows
    node.vm.communicator = "ssh"
    node.vm.network "private_network",
      ip: "192.168.56.12",
      mac: "0050563E3B30",
      auto_config: false,
      netmask: "255.255.255.0"
    node.vm.hostname = "x"

    node.vm.provider "virtualbox" do |v|
      v.name = "hybrid-winw2"
      v.memory = 4096
      v.cpus = 4
      v.linked_clone = true
      v.check_guest_additions = false
      # Windows puts a virtual switch on the card: frames for the pods' addresses must reach it.
      v.customize ["modifyvm", :id, "--nicpromisc2", "allow-all"]
      v.customize ["modifyvm", :id, "--nested-hw-virt", "on"]
      v.gui = true
      v.customize ["modifyvm", :id, "--audio", "none"]
    end
  end
end
