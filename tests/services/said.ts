/** What systemctl printed: of Debian 12 (252) and Debian 13 (257), shortened to the lines that tests ask about. */

/** `show --timestamp=unix` of a loop, a masked unit and one that runs. Without accounting nothing is counted. */
export const SHOW_252 = `Type=simple
Restart=on-failure
MainPID=0
StatusText=
Result=exit-code
NRestarts=3
ExecMainStartTimestamp=@1795270070
ExecMainExitTimestamp=@1795270070
ExecMainCode=1
ExecMainStatus=1
ExecStart={ path=/bin/false ; argv[]=/bin/false ; ignore_errors=no ; start_time=[@1795270070] ; stop_time=[@1795270070] ; pid=100 ; code=exited ; status=1 }
ControlGroup=
MemoryCurrent=[not set]
CPUUsageNSec=[not set]
TasksCurrent=[not set]
MemoryMax=infinity
User=
Id=t-loop.service
Names=t-loop.service
Requires=sysinit.target system.slice
Requisite=
BindsTo=
Triggers=
TriggeredBy=
Description=t-loop.service
LoadState=loaded
ActiveState=failed
SubState=failed
FragmentPath=/etc/systemd/system/t-loop.service
DropInPaths=
UnitFileState=static
StateChangeTimestamp=@1795270071
ActiveEnterTimestamp=@1795270070
NeedDaemonReload=no
ConditionResult=yes
ConditionTimestamp=@1795270071
LoadError=
StartLimitIntervalUSec=1min
StartLimitBurst=3

Type=
Restart=no
MainPID=0
Result=success
NRestarts=0
ExecMainExitTimestamp=
ExecMainCode=0
ExecMainStatus=0
ControlGroup=
MemoryCurrent=[not set]
CPUUsageNSec=[not set]
TasksCurrent=[not set]
MemoryMax=infinity
User=
Id=t-masked.service
Names=t-masked.service
Requires=
Description=t-masked.service
LoadState=masked
ActiveState=inactive
SubState=dead
FragmentPath=/etc/systemd/system/t-masked.service
DropInPaths=
UnitFileState=masked
StateChangeTimestamp=
ActiveEnterTimestamp=
NeedDaemonReload=no
ConditionResult=no
ConditionTimestamp=
LoadError=org.freedesktop.systemd1.UnitMasked "Unit t-masked.service is masked."
StartLimitIntervalUSec=10s
StartLimitBurst=5

Type=simple
Restart=no
MainPID=85
Result=success
NRestarts=0
ExecMainStartTimestamp=@1795270070
ExecMainExitTimestamp=
ExecMainCode=0
ExecMainStatus=0
ExecStart={ path=/bin/sleep ; argv[]=/bin/sleep 1000 ; ignore_errors=no ; start_time=[@1795270070] ; stop_time=[n/a] ; pid=85 ; code=(null) ; status=0/0 }
ControlGroup=/system.slice/t-run.service
MemoryCurrent=[not set]
CPUUsageNSec=[not set]
TasksCurrent=[not set]
MemoryMax=infinity
User=
Id=t-run.service
Names=t-run.service
Requires=sysinit.target system.slice
Description=Runs — “ünïcode”
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/etc/systemd/system/t-run.service
DropInPaths=/etc/systemd/system/t-run.service.d/10-x.conf
UnitFileState=disabled
StateChangeTimestamp=@1795270070
ActiveEnterTimestamp=@1795270070
NeedDaemonReload=no
ConditionResult=yes
ConditionTimestamp=@1795270070
LoadError=
StartLimitIntervalUSec=10s
StartLimitBurst=5
`;

/** A watchdog's victim, whose cgroup is gone though its memory is still told, a socket that does not exist, and the root mount. */
export const SHOW_257 = `Type=notify
Restart=no
MainPID=0
Result=watchdog
NRestarts=0
ExecMainExitTimestamp=@1795269698
ExecMainCode=2
ExecMainStatus=6
ControlGroup=
MemoryCurrent=36864
CPUUsageNSec=[not set]
Id=t-wd.service
Names=t-wd.service
LoadState=loaded
ActiveState=failed
SubState=failed
StateChangeTimestamp=@1795269698

Result=success
ControlGroup=
MemoryCurrent=[not set]
MemoryMax=infinity
Id=ssh.socket
Names=ssh.socket
LoadState=not-found
ActiveState=inactive
SubState=dead
ConditionResult=no
ConditionTimestamp=
LoadError=org.freedesktop.systemd1.NoSuchUnit "Unit ssh.socket not found."

Where=/
What=overlay
Type=overlay
Result=success
ControlGroup=
Id=-.mount
Names=-.mount
Requires=-.slice
Description=Root Mount
LoadState=loaded
ActiveState=active
SubState=mounted
StateChangeTimestamp=@1795269660
`;

export const UNITS_257 =
  '[{"unit":"dev-tpmrm0.device","load":"loaded","active":"inactive","sub":"dead","description":"/dev/tpmrm0"},{"unit":"-.mount","load":"loaded","active":"active","sub":"mounted","description":"Root Mount"},{"unit":"home.mount","load":"not-found","active":"inactive","sub":"dead","description":"home.mount"},{"unit":"t-run.service","load":"loaded","active":"active","sub":"running","description":"Runs — “ünïcode”"}]\n';
export const FILES_257 =
  '[{"unit_file":"t-masked.service","state":"masked","preset":"enabled"},{"unit_file":"t-run.service","state":"disabled","preset":"enabled"},{"unit_file":"t-tmpl@.service","state":"static","preset":null}]\n';
/** 252 and 257 alike; `left` and `passed` are no differences. */
export const TIMERS_252 =
  '[{"next":1795273200000000,"left":1795273200000000,"last":0,"passed":0,"unit":"t-bad.timer","activates":"t-bad.service"},{"next":1795273670404517,"left":1795273670404517,"last":1795270070400816,"passed":1795270070400816,"unit":"t-job.timer","activates":"t-job.service"},{"next":null,"left":null,"last":0,"passed":0,"unit":"fstrim.timer","activates":"fstrim.service"}]\n';
