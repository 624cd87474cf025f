# Usage: starts the kubelet anew, which makes its node then: somebody has deleted it. Safe to run twice.
{% include 'windows/_start.ps1' %}

Restart-Service -Name kubelet -Force
{% include 'facts/windows/_emit.ps1' %}
