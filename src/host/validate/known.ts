/** Which files are known, by their path: who looks at which, beforehand on a copy, or only in its place. Pure. */
export type Kind = 'json' | 'yaml' | 'toml' | 'sudoers' | 'sshd' | 'unit' | 'named';

export interface Known {
  kind: Kind;
  /** Who looks, as answers name it. */
  by: string;
  /** Of a copy: some go by it. */
  name: string;
}

const BY: Record<Kind, string> = {
  json: 'the JSON parser',
  yaml: 'the YAML parser',
  toml: 'the TOML parser',
  sudoers: 'visudo',
  sshd: 'sshd -t',
  unit: 'systemd-analyze verify',
  named: 'named-checkconf',
};

const UNIT =
  /^[A-Za-z0-9:_.\\-]{1,200}(?:@[A-Za-z0-9:_.\\-]{0,200})?\.(?:service|socket|timer|mount|automount|swap|path|target|slice)$/;
/** JSON with comments in it, by custom and not by its name. */
const COMMENTED =
  /(?:^|\/)(?:tsconfig[^/]*|jsconfig[^/]*|\.eslintrc|\.babelrc|\.swcrc|devcontainer|turbo|nx|\.vscode\/[^/]+|\.zed\/[^/]+)\.json$/;

/** What comes first counts: a path has one reader. `/etc` may lie below another root (a container's, a chroot's). */
const RULES: readonly (readonly [RegExp, Kind])[] = [
  [/\/etc\/sudoers(?:\.d\/[^/.~]+[^/.~]*)?$/, 'sudoers'],
  [/\/etc\/ssh\/sshd_config(?:\.d\/[^/]+\.conf)?$/, 'sshd'],
  [/\/named\.conf(?:\.[a-z-]+)?$|\/etc\/(?:bind|named)\/[^/]+\.conf$/, 'named'],
  [/\/systemd\/(?:system|user)\/[^/]+$/, 'unit'],
  [/\.json$/, 'json'],
  [/\.ya?ml$/, 'yaml'],
  [/\.toml$/, 'toml'],
];

export function knownBy(path: string): Known | null {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const kind = RULES.find(([where]) => where.test(path))?.[1];
  if (kind === undefined || (kind === 'unit' && !UNIT.test(name)) || (kind === 'json' && COMMENTED.test(path)))
    return null;
  return { kind, by: BY[kind], name: kind === 'unit' ? name : `copy.${kind}` };
}

export type Place = 'nginx' | 'compose';

export const PLACES: Record<Place, string> = { nginx: 'nginx -t', compose: 'docker compose config' };

export function placeOf(path: string, nginxFolder: string): Place | null {
  if (path.startsWith(`${nginxFolder}/`)) return 'nginx';
  // An override says nothing by itself.
  return /\/(?:docker-)?compose\.ya?ml$/.test(path) ? 'compose' : null;
}
