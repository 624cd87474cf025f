$Probes['hns'] = {
{% filter indent(4, first=true) %}
{% include 'windows/_hns.ps1' %}
{% endfilter %}

    # The command comes with the feature Containers; before that there are no networks either.
    $rows = @()
    $available = $null -ne (Get-Command -Name Get-HnsNetwork -ErrorAction SilentlyContinue)
    if ($available) { $rows = @(Get-NetworkRows) }
    [ordered]@{ available = $available; networks = @($rows) }
}
