/**
 * The exit codes that systemd itself gives a service whose program it could not start (systemd.exec(5), 200 to 245): what failed, the
 * usual cause, the next step. Pure. A program may end with such a code of its own, which nobody can tell from outside.
 */

export interface SystemdCode {
  /** systemd's own name. */
  name: string;
  /** Ends the sentence "systemd could not …". */
  could: string;
  next: string;
}

const unit = 'in the unit file';

export const SYSTEMD_CODES: Readonly<Record<number, SystemdCode>> = {
  200: {
    name: 'CHDIR',
    could: 'change to its working directory',
    next: `Check that WorkingDirectory= ${unit} exists and that its User= may enter it.`,
  },
  201: { name: 'NICE', could: 'set its nice level', next: `Check Nice= ${unit}.` },
  202: {
    name: 'FDS',
    could: 'arrange its file descriptors',
    next: `Check the sockets and the standard streams ${unit}.`,
  },
  203: {
    name: 'EXEC',
    could: 'execute its program',
    next: 'Check that the program of ExecStart= exists, is executable, is built for this machine and that the interpreter of its first line (#!) exists; with SELinux or a noexec mount also that it may run there.',
  },
  204: { name: 'MEMORY', could: 'get memory for it', next: 'Check free memory and the limit of its slice.' },
  205: {
    name: 'LIMITS',
    could: 'set its limits',
    next: `Check the Limit*= lines ${unit}: a container or a user may not raise every one.`,
  },
  206: { name: 'OOM_ADJUST', could: 'set its OOM score', next: `Check OOMScoreAdjust= ${unit}.` },
  207: { name: 'SIGNAL_MASK', could: 'set its signal mask', next: `Check IgnoreSIGPIPE= ${unit}.` },
  208: { name: 'STDIN', could: 'open its standard input', next: `Check StandardInput= ${unit}.` },
  209: {
    name: 'STDOUT',
    could: 'open its standard output',
    next: `Check StandardOutput= ${unit}: the folder of a log file must exist, and the disk must not be full.`,
  },
  210: { name: 'CHROOT', could: 'change its root', next: `Check RootDirectory= and RootImage= ${unit}.` },
  211: { name: 'IOPRIO', could: 'set its I/O priority', next: `Check IOSchedulingClass= ${unit}.` },
  212: { name: 'TIMERSLACK', could: 'set its timer slack', next: `Check TimerSlackNSec= ${unit}.` },
  213: { name: 'SECUREBITS', could: 'set its secure bits', next: `Check SecureBits= ${unit}.` },
  214: {
    name: 'SETSCHEDULER',
    could: 'set its scheduler',
    next: `Check CPUSchedulingPolicy= ${unit}: in a container it may be forbidden.`,
  },
  215: {
    name: 'CPUAFFINITY',
    could: 'bind it to its processors',
    next: `Check CPUAffinity= ${unit} against the processors there are.`,
  },
  216: {
    name: 'GROUP',
    could: 'take its group',
    next: `Check that Group= and SupplementaryGroups= ${unit} exist (getent group NAME).`,
  },
  217: {
    name: 'USER',
    could: 'take its user',
    next: `Check that User= ${unit} exists (getent passwd NAME); one of a directory service needs that service first.`,
  },
  218: {
    name: 'CAPABILITIES',
    could: 'set its capabilities',
    next: `Check CapabilityBoundingSet= and AmbientCapabilities= ${unit}: a container may not grant every one.`,
  },
  219: {
    name: 'CGROUP',
    could: 'put it into its cgroup',
    next: 'Check Slice= and Delegate=, and that /sys/fs/cgroup is writable.',
  },
  220: { name: 'SETSID', could: 'make a session for it', next: 'See its lines in the journal.' },
  221: { name: 'CONFIRM', could: 'start it: somebody at the console refused', next: 'See systemd.confirm_spawn.' },
  222: { name: 'STDERR', could: 'open its standard error', next: `Check StandardError= ${unit}.` },
  224: {
    name: 'PAM',
    could: 'open its PAM session',
    next: `Check PAMName= ${unit}, and the PAM configuration of that name.`,
  },
  225: {
    name: 'NETWORK',
    could: 'give it a network namespace',
    next: `Check PrivateNetwork= and NetworkNamespacePath= ${unit}: in a container they may be forbidden.`,
  },
  226: {
    name: 'NAMESPACE',
    could: 'set up its mount namespace',
    next: `Check that each path of ReadWritePaths=, BindPaths= and the like ${unit} exists ("-" in front makes it optional); in an unprivileged container nesting must be allowed, or PrivateTmp=, ProtectSystem= and their kind be turned off.`,
  },
  227: { name: 'NO_NEW_PRIVILEGES', could: 'forbid it new privileges', next: `Check NoNewPrivileges= ${unit}.` },
  228: {
    name: 'SECCOMP',
    could: 'filter its system calls',
    next: `Check SystemCallFilter= ${unit}, and whether the kernel has seccomp.`,
  },
  229: { name: 'SELINUX_CONTEXT', could: 'set its SELinux context', next: `Check SELinuxContext= ${unit}.` },
  230: { name: 'PERSONALITY', could: 'set its personality', next: `Check Personality= ${unit}.` },
  231: {
    name: 'APPARMOR',
    could: 'load its AppArmor profile',
    next: `Check that AppArmorProfile= ${unit} is loaded (aa-status).`,
  },
  232: {
    name: 'ADDRESS_FAMILIES',
    could: 'restrict its address families',
    next: `Check RestrictAddressFamilies= ${unit}.`,
  },
  233: {
    name: 'RUNTIME_DIRECTORY',
    could: 'make its folder in /run',
    next: `Check RuntimeDirectory= ${unit}, and whether /run is full.`,
  },
  235: {
    name: 'CHOWN',
    could: 'change the owner of its socket',
    next: 'Check SocketUser= and SocketGroup= of its socket unit.',
  },
  236: { name: 'SMACK_PROCESS_LABEL', could: 'set its SMACK label', next: `Check SmackProcessLabel= ${unit}.` },
  237: {
    name: 'KEYRING',
    could: 'set up its kernel keyring',
    next: `Check KeyringMode= ${unit}: in a container keyrings may be forbidden.`,
  },
  238: {
    name: 'STATE_DIRECTORY',
    could: 'make its folder in /var/lib',
    next: `Check StateDirectory= ${unit}, and the owner and free space of /var/lib.`,
  },
  239: {
    name: 'CACHE_DIRECTORY',
    could: 'make its folder in /var/cache',
    next: `Check CacheDirectory= ${unit}, and the owner and free space of /var/cache.`,
  },
  240: {
    name: 'LOGS_DIRECTORY',
    could: 'make its folder in /var/log',
    next: `Check LogsDirectory= ${unit}, and the owner and free space of /var/log.`,
  },
  241: {
    name: 'CONFIGURATION_DIRECTORY',
    could: 'make its folder in /etc',
    next: `Check ConfigurationDirectory= ${unit}, and that /etc is writable.`,
  },
  242: { name: 'NUMA_POLICY', could: 'set its NUMA policy', next: `Check NUMAPolicy= ${unit}.` },
  243: {
    name: 'CREDENTIALS',
    could: 'hand it its credentials',
    next: `Check that each file of LoadCredential= ${unit} exists; an encrypted one opens only on the machine that made it.`,
  },
  244: {
    name: 'BPF',
    could: 'set up its BPF restrictions',
    next: `Check RestrictFileSystems= ${unit}, and whether the kernel can do it.`,
  },
  245: {
    name: 'KSM',
    could: 'let it merge memory pages',
    next: `Check MemoryKSM= ${unit}, and whether the kernel has KSM.`,
  },
};
