# kubeadm's patches as the settings have them, and no others.
rm -rf /var/lib/hybrid/kubeadm/patches
{% for name, text in patches.items() %}
mkdir -p /var/lib/hybrid/kubeadm/patches
cat > /var/lib/hybrid/kubeadm/patches/{{ name | sh }} <<'END_OF_PATCH'
{{ text | trim('\n') }}
END_OF_PATCH
{% endfor %}
