# SPDX-License-Identifier: GPL-3.0-or-later
#
# Written for Windows PowerShell 5.1 and PowerShell 7. There is no PowerShell among the programs that ddns53 is tested
# with: the tests take the requests out of this text and send them to a server; nothing of it is executed.

<#
.SYNOPSIS
Tells a ddns53 server which address this machine has.

.DESCRIPTION
Sets the A or AAAA record of a host, asks for the address that the server sees, or lists the hosts that share the
secret. Requests are signed with HMAC-SHA256. The secret comes from a file or from the environment variable
DDNS53_SECRET, never from the command line, which others can read.

Exit status: 0 done, or so already; 1 refused; 2 wrong usage; 3 hostname or secret wrong; 4 server not reachable or its
certificate not trusted; 5 come again later.

.PARAMETER Mode
set (the default), get or list_hosts.
.PARAMETER Url
The server, https://ddns.example.com/; else the environment variable DDNS53_URL.
.PARAMETER Hostname
The name of the record; else DDNS53_HOSTNAME.
.PARAMETER SecretFile
A file whose first line is the secret, in UTF-8; else DDNS53_SECRET_FILE.
.PARAMETER Address
Set this address instead of the one that the server sees.
.PARAMETER Auth
signed (the default), or hash, for servers that know no signature.
.PARAMETER ApiKeyFile
A file whose first line is sent as x-api-key; else the key in DDNS53_API_KEY.
.PARAMETER TimeoutSeconds
For each request.
.PARAMETER Quiet
Print errors only.

.EXAMPLE
.\ddns53-client.ps1 -Url https://ddns.example.com/ -Hostname home.example.com -SecretFile C:\ProgramData\ddns53\secret

.EXAMPLE
schtasks /Create /TN ddns53 /SC MINUTE /MO 5 /RU SYSTEM /TR "powershell -NoProfile -ExecutionPolicy Bypass -File C:\ddns53-client.ps1 -Quiet -Url https://ddns.example.com/ -Hostname home.example.com -SecretFile C:\ProgramData\ddns53\secret"
#>
[CmdletBinding()]
param(
    [ValidateSet('set', 'get', 'list_hosts')] [string] $Mode = 'set',
    [string] $Url = $env:DDNS53_URL,
    [string] $Hostname = $env:DDNS53_HOSTNAME,
    [string] $SecretFile = $env:DDNS53_SECRET_FILE,
    [string] $Address = '',
    [ValidateSet('signed', 'hash')] [string] $Auth = 'signed',
    [string] $ApiKeyFile = '',
    [ValidateRange(1, 3600)] [int] $TimeoutSeconds = 60,
    [switch] $Quiet
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

function Stop-WithStatus([int] $Status, [string] $Message) {
    [Console]::Error.WriteLine("ddns53-client: $Message")
    exit $Status
}

function Get-FirstLine([string] $Path, [string] $What) {
    try {
        $line = [IO.File]::ReadAllLines($ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path)) |
            Select-Object -First 1
    } catch {
        Stop-WithStatus 2 "${Path}: cannot be read; put the $What into it, for only this user to read"
    }
    if (-not $line) { Stop-WithStatus 2 "${Path}: empty; put the $What into its first line" }
    $line
}

function ConvertTo-Hex([byte[]] $Bytes) {
    [BitConverter]::ToString($Bytes).Replace('-', '').ToLowerInvariant()
}

function Get-Sha256([string] $Text) {
    $algorithm = [Security.Cryptography.SHA256]::Create()
    ConvertTo-Hex ($algorithm.ComputeHash([Text.Encoding]::UTF8.GetBytes($Text)))
}

function Get-HmacSha256([string] $Key, [string] $Text) {
    $algorithm = New-Object Security.Cryptography.HMACSHA256 (, [Text.Encoding]::UTF8.GetBytes($Key))
    ConvertTo-Hex ($algorithm.ComputeHash([Text.Encoding]::UTF8.GetBytes($Text)))
}

function New-Nonce {
    $bytes = New-Object byte[] 16
    $generator = [Security.Cryptography.RandomNumberGenerator]::Create()
    $generator.GetBytes($bytes)
    ConvertTo-Hex $bytes
}

# ---- arguments ----

if (-not $Url) { Stop-WithStatus 2 'no server; give -Url https://...' }
if ($Url -notmatch '^https://[^/?#\s]+(/[^?#\s]*)?$') { Stop-WithStatus 2 "${Url}: not a URL of the form https://HOST[:PORT]/" }
if ($Url -notmatch '^https://[^/]+/') { $Url += '/' }
if ($Address -and $Address -notmatch '^[0-9A-Fa-f:.]+$') { Stop-WithStatus 2 "${Address}: not an address" }
$secret = ''
if ($Mode -ne 'get') {
    if (-not $Hostname) { Stop-WithStatus 2 'no host; give -Hostname HOST' }
    if ($Hostname -notmatch '^[A-Za-z0-9._*-]+$') { Stop-WithStatus 2 "${Hostname}: not a host name" }
    if (-not $Hostname.EndsWith('.')) { $Hostname += '.' }
    $secret = if ($SecretFile) { Get-FirstLine $SecretFile 'secret' } else { $env:DDNS53_SECRET }
    if (-not $secret) { Stop-WithStatus 2 'no secret; give -SecretFile FILE, or set DDNS53_SECRET' }
}
$apiKey = if ($ApiKeyFile) { Get-FirstLine $ApiKeyFile 'API key' } else { $env:DDNS53_API_KEY }

# ---- requests ----

# Windows PowerShell 5.1 offers TLS 1.2 only when told to, and has HttpClient in an assembly that it does not load.
if ($PSVersionTable.PSVersion.Major -lt 6) {
    [Net.ServicePointManager]::SecurityProtocol =
        [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    Add-Type -AssemblyName System.Net.Http
}
# One client: the second request goes over the connection of the first, so from the same address.
$client = New-Object Net.Http.HttpClient
$client.Timeout = [TimeSpan]::FromSeconds($TimeoutSeconds)
if ($apiKey) { $client.DefaultRequestHeaders.Add('x-api-key', $apiKey) }

# Sends it; returns the answer's message, or ends this program.
function Invoke-Ddns53([string] $Query) {
    try {
        $response = $client.GetAsync("$Url`?$Query").GetAwaiter().GetResult()
        $text = $response.Content.ReadAsStringAsync().GetAwaiter().GetResult()
    } catch {
        Stop-WithStatus 4 "$($_.Exception.GetBaseException().Message); check -Url and the server's certificate"
    }
    $status = [int] $response.StatusCode
    $answer = $null
    try { $answer = ConvertFrom-Json $text } catch { Write-Verbose $text }
    $names = if ($answer) { @($answer.PSObject.Properties | ForEach-Object { $_.Name }) } else { @() }
    if ($names -notcontains 'return_status' -or $names -notcontains 'return_message') {
        $message = "the server answered with status $status, not as a ddns53 server does; check -Url"
        Stop-WithStatus $(if ($status -ge 500) { 5 } else { 1 }) $message
    }
    if ($status -ge 300 -or $answer.return_status -ne 'success') {
        $exitStatus = if ($status -eq 401) { 3 } elseif ($status -eq 429 -or $status -ge 500) { 5 } else { 1 }
        Stop-WithStatus $exitStatus "$($answer.return_message)"
    }
    $answer.return_message
}

if ($Mode -eq 'get') {
    Invoke-Ddns53 'mode=get'
    exit 0
}
$source = ''
if ($Auth -eq 'hash' -or -not $Address) { $source = Invoke-Ddns53 'mode=get' }
$query = "mode=$Mode&hostname=$Hostname"
$internal = if ($Mode -eq 'set') { $Address } else { '' }
if ($internal) { $query += "&internalIp=$internal" }
if ($Auth -eq 'hash') {
    $hash = Get-Sha256 "$source$Hostname$secret"
    $query += "&hash=$hash"
} else {
    if (-not $internal -and -not $source) { $source = Invoke-Ddns53 'mode=get' }
    $signed = if ($internal) { $internal } else { $source }
    $time = [int64] ([DateTime]::UtcNow - (New-Object DateTime 1970, 1, 1, 0, 0, 0, 'Utc')).TotalSeconds
    $nonce = New-Nonce
    $signature = Get-HmacSha256 $secret "ddns53-1`n$Mode`n$Hostname`n$signed`n$time`n$nonce`n"
    $query += "&time=$time&nonce=$nonce&signature=$signature"
}
$message = Invoke-Ddns53 $query
if ($Mode -eq 'list_hosts') {
    foreach ($row in $message) { "$($row.record_type) $($row.hostname) $(if ($row.mac_address) { $row.mac_address } else { '-' })" }
} elseif (-not $Quiet) {
    $message
}
exit 0
