/**
 * What a container may do to its host by the engine's own record of it, beyond what an inspection's summary tells (container_reach.ts).
 * Pure. Whoever makes such a container anew needs more than the right to change.
 */

/** Of the engine's `HostConfig`. What is not there is not claimed. */
export function powersOf(raw: Readonly<Record<string, unknown>>): string[] {
  const h = record(raw.HostConfig);
  const found: string[] = [];
  if (h.Privileged === true) found.push('privileged');
  for (const [key, what] of HOSTS) if (h[key] === 'host') found.push(`${what} of the host`);
  for (const cap of strings(h.CapAdd)) found.push(`capability ${cap.replace(/^CAP_/, '')}`);
  for (const d of list(h.Devices)) found.push(`device ${text(record(d).PathOnHost)}`);
  for (const rule of strings(h.DeviceCgroupRules)) found.push(`device rule ${rule}`);
  if (list(h.DeviceRequests).length > 0) found.push('devices by request (GPU)');
  for (const o of strings(h.SecurityOpt))
    if (/unconfined|disable|seccomp[=:]|systempaths/.test(o)) found.push(`security option ${o.slice(0, 60)}`);
  for (const from of strings(h.VolumesFrom)) found.push(`volumes of ${from}`);
  for (const [key, value] of Object.entries(record(h.Sysctls))) found.push(`sysctl ${key}=${text(value)}`);
  if (text(h.Runtime) !== '' && text(h.Runtime) !== 'runc') found.push(`runtime ${text(h.Runtime)}`);
  if (text(h.CgroupParent) !== '') found.push(`cgroup parent ${text(h.CgroupParent)}`);
  return found;
}

/** Not the cgroup namespace: on cgroup v1 the host's is what engines give to all, and without more rights it shows names only. */
const HOSTS = [
  ['NetworkMode', 'the network'],
  ['PidMode', 'the processes'],
  ['IpcMode', 'the memory segments'],
  ['UTSMode', 'the name'],
  ['UsernsMode', 'the users'],
] as const;

export const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
export const strings = (value: unknown): string[] => list(value).filter((x) => typeof x === 'string');
export const text = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
