/**
 * Roles and principals in the owner's words. Decides what may be written, and that an entry which can never match is no entry; what it
 * means for a call is policy/access.ts's to say (docs/policy.md).
 */
import * as z from 'zod';
import { ROLES, SCOPES } from '../core/scopes.ts';
import { set } from './setting.ts';

export const ROLE_NAME = /^[a-z][a-z0-9_-]{0,31}$/;
/** A principal or one of its other names, with `*` for any text. */
const WHO = /^(\*|(token|stdio|cli|jwt|tailnet):[^\p{Cc}]{1,200})$/u;
/** One grammar for what may be done and on what. */
const ITEM = /^(toolset|tool|process|container|image|stack|unit|path|address):[^\p{Cc}]{1,4096}$/u;

const items = z
  .array(
    z
      .string()
      .regex(
        ITEM,
        'expected toolset:docker, tool:container_*, container:web-*, unit:nginx.service, path:/srv or address:10.0.0.0/8',
      ),
  )
  .max(200);

const limits = {
  /** Tool calls a minute, calls under way at once, changes a day. */
  callsPerMinute: z.number().int().min(1).max(10_000_000).optional(),
  concurrentCalls: z.number().int().min(1).max(1_000).optional(),
  changesPerDay: z.number().int().min(0).max(100_000).optional(),
};

export const RoleEntry = z.strictObject({
  name: z
    .string()
    .regex(ROLE_NAME, 'expected a short name of lower-case letters, digits and dashes')
    .refine((name) => !(ROLES as readonly string[]).includes(name), `expected another name than ${ROLES.join(', ')}`),
  /** Scopes, or names of the roles that are built in. */
  scopes: z
    .array(z.enum([...ROLES, ...SCOPES]))
    .min(1)
    .max(32),
  allow: items.default([]),
  deny: items.default([]),
  ...limits,
});

export const PrincipalEntry = z.strictObject({
  who: z
    .string()
    .regex(
      WHO,
      'expected token:NAME, jwt:ISSUER:SUBJECT, tailnet:LOGIN, tailnet:tag:NAME, stdio:UID, cli:UID, each with * for any text',
    ),
  roles: z.array(z.string().regex(ROLE_NAME, 'expected names of roles')).max(32).default([]),
  allow: items.default([]),
  deny: items.default([]),
  ...limits,
  /** HTTP requests a minute, counted for it alone and no longer for its address. */
  requestsPerMinute: z.number().int().min(1).max(10_000_000).optional(),
});

const ROLES_EXAMPLE = `- {name: deploy, scopes: [viewer, "docker:write"], allow: ["toolset:docker", "container:web-*"], deny: ["tool:container_remove"], changesPerDay: 20}`;
const PRINCIPALS_EXAMPLE = `- {who: "tailnet:alice@example.com", roles: [admin]}
- {who: "tailnet:tag:ci", roles: [deploy], callsPerMinute: 30}
- {who: "token:*", deny: ["path:/srv/private"]}`;

export const RoleList = set(
  z
    .array(RoleEntry)
    .max(64)
    .refine((list) => new Set(list.map((r) => r.name)).size === list.length, 'expected each name once')
    .default([]),
  'Roles besides viewer, operator and admin: scopes, and what they are for. `allow` and `deny` take toolset:, tool:, container:, image:, stack:, unit:, process:, path: and address: with * for any text; where `allow` names none of a kind, all of that kind are meant.',
  { expects: 'a list of maps of name, scopes, allow, deny and limits', example: ROLES_EXAMPLE },
);

export const PrincipalList = set(
  z.array(PrincipalEntry).max(500).default([]),
  'Who has which roles, and what is denied to whom. All entries that fit count; a deny of any of them, or of any role, goes before every allow.',
  { expects: 'a list of maps of who, roles, allow, deny and limits', example: PRINCIPALS_EXAMPLE },
);
