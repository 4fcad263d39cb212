/**
 * What a container may do to its host beyond an ordinary one, and what access to an engine means: in words. Pure. It warns; what is
 * refused is policy's.
 */
import type { ContainerDetail, EngineInfo, EngineStatus } from '../core/docker.ts';

const SOCKET = /(?:^|\/)(?:docker|podman|containerd|crio)\.sock$/;
/** Each of them is a known way to the host, or to all that others send. */
const STRONG =
  /^(?:CAP_)?(?:ALL|SYS_ADMIN|SYS_MODULE|SYS_PTRACE|SYS_RAWIO|SYS_BOOT|SYS_TIME|NET_ADMIN|DAC_READ_SEARCH|BPF|PERFMON|MKNOD|SYSLOG|MAC_ADMIN)$/;
const WHOLE = /^\/(?:etc|root|home|var|usr|boot|proc|sys|dev|run|var\/run|var\/lib\/docker)?$/;

export function reachOf(
  c: Pick<
    ContainerDetail,
    'privileged' | 'capAdd' | 'devices' | 'securityOpt' | 'pidMode' | 'ipcMode' | 'networkMode' | 'mounts'
  >,
): string[] {
  const found: string[] = [];
  if (c.privileged) found.push('privileged: as good as root on the host');
  const sockets = c.mounts.filter((m) => SOCKET.test(m.source) || SOCKET.test(m.destination));
  if (sockets.length > 0)
    found.push('has an engine’s socket: as good as root on the host, also when mounted read-only');
  if (c.networkMode === 'host') found.push('uses the host’s network: its ports are not told apart from the host’s');
  if (c.pidMode === 'host') found.push('sees the host’s processes');
  if (c.ipcMode === 'host') found.push('shares the host’s memory segments');
  const caps = c.capAdd.filter((cap) => STRONG.test(cap));
  if (caps.length > 0) found.push(`has the capabilities ${caps.map((cap) => cap.replace(/^CAP_/, '')).join(', ')}`);
  if (c.devices.length > 0)
    found.push(`has ${c.devices.length} device${c.devices.length === 1 ? '' : 's'} of the host`);
  const loose = c.securityOpt.filter((o) => /^(?:seccomp|apparmor)[=:]unconfined$|^label[=:]disable$/.test(o));
  if (loose.length > 0) found.push(`runs without ${loose.map((o) => o.split(/[=:]/)[0]).join(' and ')}`);
  const whole = c.mounts.filter((m) => m.type === 'bind' && m.writable && WHOLE.test(m.source));
  if (whole.length > 0) found.push(`may write to ${whole.map((m) => m.source).join(', ')} of the host`);
  return found;
}

export interface Risk {
  what: string;
  hint: string;
}

/** Of reaching this engine at all. */
export function risksOf(status: EngineStatus, info: EngineInfo | null): Risk[] {
  const risks: Risk[] = [];
  const open = info?.warnings.some((w) => /without encryption|Access to the remote API is equivalent to root/i.test(w));
  if (/^tcp:\/\//.test(status.endpoint) && /:2375$/.test(status.endpoint))
    risks.push({
      what: 'The engine is reached by TCP without TLS: whoever reaches that port is root there.',
      hint: 'Use TLS (port 2376, docker.certPath), ssh://, or the engine’s socket. A socket proxy there gives away what its rules let by.',
    });
  else if (open)
    risks.push({
      what: 'The engine itself listens on TCP without TLS: whoever reaches that port is root on its host.',
      hint: 'Remove the tcp:// entry from `hosts` in /etc/docker/daemon.json, or from the unit’s -H options.',
    });
  if (/^unix:\/\//.test(status.endpoint) && info?.rootless === false)
    risks.push({
      what: 'Whoever may open this socket (its group, a container it is mounted into) is as good as root on this host.',
      hint: 'Keep that group small; a socket proxy or a rootless engine gives less away.',
    });
  if (info && status.kind === 'docker' && !info.securityOptions.some((o) => /name=seccomp/.test(o)))
    risks.push({
      what: 'The engine runs containers without seccomp.',
      hint: 'Look at `docker info` under Security Options.',
    });
  return risks;
}
