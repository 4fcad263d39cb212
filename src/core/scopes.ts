/** Scopes, roles, risks, modes and toolsets: the words of every right. Pure; who holds what is decided in policy. */

export const SCOPES = [
  'system:read',
  'system:write',
  'docker:read',
  'docker:write',
  'files:read',
  'files:write',
  'net:read',
  'services:read',
  'services:write',
  'logs:read',
  'tailnet:read',
  'alerts:read',
  'alerts:write',
  'audit:read',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** What a call can do to the host, mildest first. */
export const RISKS = ['read', 'sensitive', 'change', 'destroy'] as const;
export type Risk = (typeof RISKS)[number];

/** What the owner allows at all. */
export const MODES = ['read-only', 'ask', 'full'] as const;
export type Mode = (typeof MODES)[number];

export const TOOLSETS = ['system', 'docker', 'logs', 'services', 'files', 'net', 'tailnet', 'triage'] as const;
export type Toolset = (typeof TOOLSETS)[number];

const READ: readonly Scope[] = SCOPES.filter((s) => s.endsWith(':read') && s !== 'audit:read');
const OPERATOR: readonly Scope[] = ['docker:write', 'services:write', 'files:write', 'system:write'];

export function scopesOf(role: Role): readonly Scope[] {
  if (role === 'admin') return ['admin'];
  return role === 'operator' ? [...READ, ...OPERATOR] : READ;
}

/** `admin` includes all, `x:write` includes `x:read`. */
export function holds(held: ReadonlySet<Scope>, needed: Scope): boolean {
  if (held.has(needed) || held.has('admin')) return true;
  return needed.endsWith(':read') && held.has(needed.replace(':read', ':write') as Scope);
}

/** True for risks that leave the host as it was. */
export const readsOnly = (risk: Risk): boolean => risk === 'read' || risk === 'sensitive';
