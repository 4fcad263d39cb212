/**
 * A container exactly like another, with another image: what to ask the engine for, and whether it then gave that. Decides which
 * settings are the owner's (kept) and which came with the old image (left to the new one). Pure; the requests are changes.ts's.
 */
import { compareVersions } from './engine.ts';
import { items, plainName, record, records, type Said, text, texts } from './said.ts';

export interface Making {
  /** Body of `POST /containers/create`. */
  body: Record<string, unknown>;
  /** Networks that are joined one by one, before the start. */
  connect: { network: string; endpoint: Record<string, unknown> }[];
}

/** Of the container's Config, what an image sets as well. */
const FROM_IMAGE = [
  'Cmd',
  'Entrypoint',
  'WorkingDir',
  'User',
  'StopSignal',
  'Shell',
  'Healthcheck',
  'OnBuild',
] as const;
/** The same, but each entry on its own. */
const MERGED = ['Labels', 'ExposedPorts', 'Volumes'] as const;

const FIELD = /^[A-Z][A-Za-z0-9]*$/;

/** As text that is the same for the same value, whatever the order of keys; a field that is null, empty, 0, false or missing is one. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'null' : `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null)
    return value === '' || value === undefined || value === 0 || value === false ? 'null' : JSON.stringify(value);
  const parts = Object.entries(value)
    .map(([key, v]) => [key, canonical(v)] as const)
    // A field that is not set; but in a map of ports, paths or labels a name says something without a value.
    .filter(([key, v]) => v !== 'null' || !FIELD.test(key))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return parts.length === 0 ? 'null' : `{${parts.map(([key, v]) => `${JSON.stringify(key)}:${v}`).join(',')}}`;
}
const same = (a: unknown, b: unknown) => canonical(a) === canonical(b);

/**
 * `oldImage` is the Config of the image that the container runs now, null when it is gone: then all is kept. An entry that the owner
 * set to the very value that the image has cannot be told from the image's own.
 */
export function makingOf(raw: Said, image: string, oldImage: Said | null, apiVersion: string): Making {
  const shortId = text(raw.Id).slice(0, 12);
  const host: Record<string, unknown> = { ...record(raw.HostConfig) };
  const config: Record<string, unknown> = { ...record(raw.Config), Image: image };
  const mode = text(host.NetworkMode);

  if (oldImage) {
    for (const key of FROM_IMAGE) if (same(config[key], oldImage[key])) delete config[key];
    // An entrypoint of one's own drops the image's command; without it the command alone would get the new image's entrypoint.
    for (const key of MERGED) {
      const theirs = record(oldImage[key]);
      const own = Object.entries(record(config[key])).filter(([k, v]) => !(k in theirs && same(v, theirs[k])));
      config[key] = Object.fromEntries(own);
    }
    const theirs = new Set(texts(oldImage.Env));
    config.Env = texts(config.Env).filter((e) => !theirs.has(e));
  }
  // The engine's own choice, made of the id: the new one gets its own.
  if (config.Hostname === shortId) delete config.Hostname;
  if (mode.startsWith('container:'))
    for (const key of ['Hostname', 'Domainname', 'ExposedPorts', 'MacAddress']) delete config[key];
  if (compareVersions(apiVersion, '1.44') >= 0) delete config.MacAddress;

  // As inspected: `/db:/web/alias`; as asked for: `db:alias`.
  const links = texts(host.Links).map((link) => {
    const [from = '', to = ''] = link.split(':');
    return `${plainName(from)}:${to.split('/').at(-1)}`;
  });
  if (links.length > 0) host.Links = links;
  keepVolumes(raw, host);

  const wanted = networksOf(raw, shortId, compareVersions(apiVersion, '1.44') >= 0);
  const first = wanted.find((n) => n.network === mode || n.id === mode);
  const body: Record<string, unknown> = { ...config, HostConfig: host };
  if (first && userDefined(mode)) body.NetworkingConfig = { EndpointsConfig: { [mode]: first.endpoint } };
  const isMain = (n: { network: string }) => n === first || (!first && !userDefined(mode) && n.network === 'bridge');
  return {
    body,
    connect: mode.startsWith('container:')
      ? []
      : wanted.filter((n) => !isMain(n) && n.network !== mode).map(({ network, endpoint }) => ({ network, endpoint })),
  };
}

const userDefined = (mode: string) => !/^(?:|default|bridge|host|none|container:.*)$/.test(mode);

/** Volumes without a name of their own would be made anew, empty: the new container gets the old one's by their names. */
function keepVolumes(raw: Said, host: Record<string, unknown>): void {
  const binds = texts(host.Binds);
  const mounts = records(host.Mounts).map((m) => ({ ...m }) as Record<string, unknown>);
  const bound = new Set(binds.map((b) => b.split(':')[1]));
  for (const m of records(raw.Mounts)) {
    if (m.Type !== 'volume' || text(m.Name) === '') continue;
    const asked = mounts.find((x) => x.Target === m.Destination);
    if (asked) {
      if (!asked.Source) asked.Source = m.Name;
    } else if (!bound.has(text(m.Destination))) binds.push(`${m.Name}:${m.Destination}${m.RW === false ? ':ro' : ''}`);
  }
  if (binds.length > 0) host.Binds = binds;
  if (mounts.length > 0) host.Mounts = mounts;
}

function networksOf(raw: Said, shortId: string, macInEndpoint: boolean) {
  return Object.entries(record(record(raw.NetworkSettings).Networks)).map(([network, value]) => {
    const n = record(value);
    const ipam = record(n.IPAMConfig);
    // The old container's own name in the network; the new one gets its own.
    const aliases = texts(n.Aliases).filter((a) => a !== shortId);
    const endpoint: Record<string, unknown> = {};
    if (userDefined(network) && aliases.length > 0) endpoint.Aliases = aliases;
    if (Object.keys(ipam).length > 0) endpoint.IPAMConfig = ipam;
    if (items(n.Links).length > 0) endpoint.Links = n.Links;
    if (Object.keys(record(n.DriverOpts)).length > 0) endpoint.DriverOpts = n.DriverOpts;
    const mac = text(n.MacAddress);
    if (macInEndpoint && mac !== '' && !derivedMac(mac, text(n.IPAddress))) endpoint.MacAddress = mac;
    return { network, id: text(n.NetworkID), endpoint };
  });
}

/** Engines up to 27 make the address of the card of the IP address; then it is not the owner's wish. */
function derivedMac(mac: string, ip: string): boolean {
  if (ip === '') return false;
  const hex = ip.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return mac.toLowerCase() === ['02', '42', ...hex].join(':');
}

/** What of the container that was made is not as it was asked for, or as it was. Empty: the same. */
export function differences(raw: Said, making: Making, made: Said): string[] {
  const found: string[] = [];
  const { HostConfig: host, NetworkingConfig: _, ...config } = making.body;
  const compare = (where: string, wanted: Said, is: Said, keys: Iterable<string>) => {
    for (const key of keys) if (!same(wanted[key], is[key])) found.push(`${where}.${key}`);
  };
  const isHost = record(made.HostConfig);
  const wantedHost = { ...record(host), Links: null };
  compare(
    'HostConfig',
    wantedHost,
    { ...isHost, Links: null },
    new Set([...Object.keys(wantedHost), ...Object.keys(isHost)]),
  );

  const isConfig = record(made.Config);
  compare(
    'Config',
    config,
    isConfig,
    Object.keys(config).filter((k) => !CONFIG_MERGED.has(k)),
  );
  for (const key of MERGED)
    for (const [k, v] of Object.entries(record(config[key])))
      if (!same(record(isConfig[key])[k] ?? null, v)) found.push(`Config.${key}.${k}`);
  const env = new Set(texts(isConfig.Env));
  for (const e of texts(config.Env)) if (!env.has(e)) found.push(`Config.Env.${e.split('=')[0]}`);

  const mounts = (said: Said) =>
    new Map(records(said.Mounts).map((m) => [text(m.Destination), [m.Type, m.Name, m.Source, m.RW, m.Propagation]]));
  const had = mounts(raw);
  const has = mounts(made);
  for (const at of new Set([...had.keys(), ...has.keys()]))
    if (!same(had.get(at), has.get(at)) && (had.has(at) || !fromNewImage(at, making))) found.push(`Mounts.${at}`);

  const networks = (said: Said) => record(record(said.NetworkSettings).Networks);
  const shortId = text(raw.Id).slice(0, 12);
  for (const [name, value] of Object.entries(networks(raw))) {
    const was = record(value);
    const is = record(networks(made)[name]);
    if (!(name in networks(made))) found.push(`Networks.${name}`);
    else if (!same(was.IPAMConfig, is.IPAMConfig)) found.push(`Networks.${name}.IPAMConfig`);
    else if (texts(was.Aliases).some((a) => a !== shortId && !texts(is.Aliases).includes(a)))
      found.push(`Networks.${name}.Aliases`);
  }
  for (const name of Object.keys(networks(made))) if (!(name in networks(raw))) found.push(`Networks.${name}`);
  return found;
}

/** The engine puts the image's own to these. */
const CONFIG_MERGED = new Set<string>([...MERGED, 'Env', 'MacAddress']);

/** A volume that only the new image declares: made by the engine, and no loss. */
const fromNewImage = (destination: string, making: Making) =>
  !(destination in record(making.body.Volumes)) &&
  !texts(record(making.body.HostConfig).Binds).some((b) => b.split(':')[1] === destination);
