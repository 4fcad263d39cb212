/**
 * What a compose project, as its files say it now, would let its containers do to the host beyond what they may already. Whoever can write
 * a compose file could otherwise make himself root with it. Pure; unknown or odd means refused. Mounts of the very same source stay allowed:
 * a folder below one does not, because the container could have put a link there.
 */
import { list, record, strings, text } from './container_powers.ts';

/** One container of the project as it is: `HostConfig` of the engine, and what its inspection says. */
export interface Existing {
  service: string;
  host: Readonly<Record<string, unknown>>;
  mounts: readonly { type: string; source: string; name: string | null; writable: boolean }[];
  labels: Readonly<Record<string, string>>;
  networks: readonly string[];
}

const SOCKET = /\.sock(?:et)?$/;

/** By service, what it has: in the same words as `wanted` says them. */
export function hadBy(all: readonly Existing[]): Map<string, Set<string>> {
  const had = new Map<string, Set<string>>();
  for (const c of all) {
    const words = had.get(c.service) ?? new Set<string>();
    had.set(c.service, words);
    const h = c.host;
    if (h.Privileged === true) words.add('privileged');
    for (const [key, , what] of MODES) if (sharing(text(h[key]))) words.add(`${what} of ${whom(text(h[key]))}`);
    for (const cap of strings(h.CapAdd)) words.add(`capability ${capOf(cap)}`);
    for (const d of list(h.Devices)) words.add(`device ${text(record(d).PathOnHost)}`);
    for (const rule of strings(h.DeviceCgroupRules)) words.add(`device rule ${rule}`);
    if (list(h.DeviceRequests).length > 0) words.add(GPU);
    for (const o of strings(h.SecurityOpt)) words.add(`security option ${o.replace(':', '=')}`);
    if (!strings(h.SecurityOpt).some(isNoNew)) words.add(MORE);
    for (const [key, value] of Object.entries(record(h.Sysctls))) words.add(`sysctl ${key}=${text(value)}`);
    if (text(h.Runtime) !== '') words.add(`runtime ${text(h.Runtime)}`);
    if (text(h.CgroupParent) !== '') words.add(`cgroup parent ${text(h.CgroupParent)}`);
    for (const m of c.mounts) {
      const what = m.type === 'volume' && m.name !== null ? `volume ${m.name}` : `mount of ${m.source}`;
      words.add(what);
      if (m.writable) words.add(`${what}, to write`);
    }
    for (const [key, value] of Object.entries(c.labels)) if (OURS.test(key)) words.add(`label ${key}=${value}`);
    for (const n of c.networks) words.add(`network ${n}`);
  }
  return had;
}

/** Of `docker compose config --format json`. */
export function additions(
  config: unknown,
  had: ReadonlyMap<string, ReadonlySet<string>>,
  mountRoots: readonly string[],
): string[] {
  const project = record(config);
  const lines: string[] = [];
  for (const [service, s] of Object.entries(record(project.services))) {
    const has = had.get(service) ?? new Set<string>();
    for (const what of wanted(record(s), project, has.size === 0, mountRoots))
      if (!has.has(what)) lines.push(`${service}: ${what}`);
  }
  return lines;
}

/**
 * What was made has more than it was to have: its files were other ones for a moment. Left out is what an engine gives by itself, or what
 * is no way to the host.
 */
export function beyond(
  made: readonly Existing[],
  had: ReadonlyMap<string, ReadonlySet<string>>,
  mountRoots: readonly string[],
): string[] {
  const lines: string[] = [];
  for (const [service, words] of hadBy(made))
    for (const what of words) {
      if (had.get(service)?.has(what) || what === MORE || BY_ENGINE.test(what)) continue;
      const source = /^mount of (.*?)(?:, to write)?$/s.exec(what)?.[1];
      if (source !== undefined && [...path(source, false, mountRoots)].length === 0) continue;
      lines.push(`${service}: ${what}`);
    }
  return lines;
}
const BY_ENGINE = /^(?:volume |network |runtime |the cgroups of the host$|.* of another container$)/;

const MODES = [
  ['NetworkMode', 'network_mode', 'the network'],
  ['PidMode', 'pid', 'the processes'],
  ['IpcMode', 'ipc', 'the memory segments'],
  ['UTSMode', 'uts', 'the name'],
  ['UsernsMode', 'userns_mode', 'the users'],
  ['CgroupnsMode', 'cgroup', 'the cgroups'],
] as const;
const GPU = 'devices by request (GPU)';
const MORE = 'without no-new-privileges';
const OURS = /^deckhand\./;

const isNoNew = (o: string) => /^no-new-privileges(?:[=:]true)?$/.test(o);
const sharing = (mode: string) => mode === 'host' || /^container:/.test(mode);
const whom = (mode: string) => (mode === 'host' ? 'the host' : 'another container');
const capOf = (cap: string) => cap.toUpperCase().replace(/^CAP_/, '');

function* wanted(
  s: Record<string, unknown>,
  project: Record<string, unknown>,
  isNew: boolean,
  roots: readonly string[],
): Generator<string> {
  if (s.privileged === true) yield 'privileged';
  for (const [, key, what] of MODES) {
    const mode = text(s[key]);
    if (sharing(mode)) yield `${what} of ${whom(mode)}`;
  }
  for (const cap of strings(s.cap_add)) yield `capability ${capOf(cap)}`;
  for (const d of list(s.devices)) yield `device ${typeof d === 'string' ? d.split(':')[0] : text(record(d).source)}`;
  for (const rule of strings(s.device_cgroup_rules)) yield `device rule ${rule}`;
  const reserved = record(record(record(s.deploy).resources).reservations);
  if (s.gpus !== undefined || list(reserved.devices).length > 0) yield GPU;
  const options = strings(s.security_opt);
  for (const o of options) if (!isNoNew(o)) yield `security option ${o.replace(':', '=')}`;
  if (!isNew && !options.some(isNoNew)) yield MORE;
  const sysctls = Array.isArray(s.sysctls)
    ? strings(s.sysctls)
    : Object.entries(record(s.sysctls)).map(([k, v]) => `${k}=${text(v)}`);
  for (const one of sysctls) yield `sysctl ${one}`;
  if (text(s.runtime) !== '') yield `runtime ${text(s.runtime)}`;
  if (text(s.cgroup_parent) !== '') yield `cgroup parent ${text(s.cgroup_parent)}`;
  for (const from of strings(s.volumes_from)) yield `volumes of ${from}`;
  if (s.use_api_socket === true) yield 'the engine’s socket';
  if (s.provider !== undefined) yield 'a provider: a program that runs on the host';
  for (const hook of [...list(s.post_start), ...list(s.pre_stop)])
    if (record(hook).privileged === true) yield 'a privileged hook';
  const labels = Array.isArray(s.labels)
    ? Object.fromEntries(strings(s.labels).map((l) => l.split(/=(.*)/s)))
    : record(s.labels);
  for (const [key, value] of Object.entries(labels)) if (OURS.test(key)) yield `label ${key}=${text(value)}`;
  yield* mounts(s, project, roots);
  for (const key of Object.keys(record(s.networks))) {
    const n = record(record(project.networks)[key]);
    const name = text(n.name) || key;
    if (name === 'host') yield 'the network of the host';
    else if (/^(?:macvlan|ipvlan|host)$/.test(text(n.driver))) yield `network ${name}`;
  }
}

function* mounts(
  s: Record<string, unknown>,
  project: Record<string, unknown>,
  roots: readonly string[],
): Generator<string> {
  for (const m of list(s.volumes)) {
    const { type, source, read_only: readOnly, bind } = record(m);
    if (typeof m === 'string') yield `mount that is not understood: ${m}`;
    else if (type === 'bind') {
      yield* path(text(source), readOnly !== true, roots);
      if (/shared|slave/.test(text(record(bind).propagation)))
        yield `mount of ${text(source)} that passes on other mounts`;
    } else if (type === 'volume') yield* volume(text(source), record(project.volumes), readOnly !== true, roots);
    else if (type !== 'tmpfs' && type !== 'image') yield `mount of the kind ${text(type) || '?'}`;
  }
  for (const kind of ['configs', 'secrets'] as const)
    for (const used of list(s[kind])) {
      const defined = record(record(project[kind])[text(record(used).source)]);
      if (defined.file !== undefined) yield* path(text(defined.file), false, roots);
    }
}

function* path(source: string, writes: boolean, roots: readonly string[]): Generator<string> {
  const plain = source.startsWith('/') && !/(?:^|\/)\.{1,2}(?:\/|$)|\/\//.test(source);
  const inside = roots.some((r) => {
    const root = r.replace(/\/+$/, '');
    return source === root || source.startsWith(`${root}/`);
  });
  if (plain && inside && !SOCKET.test(source)) return;
  yield `mount of ${source}`;
  if (writes) yield `mount of ${source}, to write`;
}

/** The project's own, kept by the engine: nobody else's data, and nothing of the host. All else counts as a mount. */
function* volume(
  key: string,
  all: Record<string, unknown>,
  writes: boolean,
  roots: readonly string[],
): Generator<string> {
  if (key === '') return;
  const v = record(all[key]);
  const options = record(v.driver_opts);
  const name = text(v.name) || key;
  if (text(options.device) !== '' && /bind/.test(text(options.o))) {
    yield* path(text(options.device), writes, roots);
    return;
  }
  const own = v.external !== true && Object.keys(options).length === 0 && /^(?:local)?$/.test(text(v.driver));
  if (own) return;
  yield `volume ${name}`;
  if (writes) yield `volume ${name}, to write`;
}
