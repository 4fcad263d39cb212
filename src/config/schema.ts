/**
 * The only list of settings. A path gives every other name mechanically: `http.port` is DECKHAND_HTTP_PORT in the environment and
 * `--http-port` as a flag. Help, docs, the example file and `deckhand config` are made from here; where values come from and which
 * one wins is decided in load.ts.
 */
import * as z from 'zod';
import { MODES, ROLES, TOOLSETS } from '../core/scopes.ts';
import { PrincipalList, RoleList } from './access.ts';
import { AuthSettings } from './auth.ts';
import { BackupSettings } from './backup.ts';
import { int, KiB, MiB, plain } from './bounds.ts';
import {
  CONTAINER_GLOB_EXPECTS,
  ContainerGlob,
  ENDPOINT_EXPECTS,
  ENGINES_EXAMPLE,
  Endpoint,
  EngineEntry,
} from './docker.ts';
import { DEFAULT_ROOTS, DENY_EXPECTS, DenyGlob, FileIndexSettings, FileRootEntry, ROOTS_EXAMPLE } from './folders.ts';
import { HttpSettings } from './http.ts';
import { LimitSettings } from './limits.ts';
import { PREFIX_EXPECTS, PrefixText } from './net.ts';
import { NotifySettings } from './notify.ts';
import { PEERS_EXAMPLE, PeerList } from './peers.ts';
import { RULES_EXAMPLE, Rule } from './rules.ts';
import { set } from './setting.ts';
import { TailnetSettings } from './tailnet.ts';
import { UNIT_GLOB_EXPECTS, UnitGlob } from './units.ts';

const GiB = 1024 * MiB;
const upTo = (standardGiB: number) => int(KiB, 1024 * GiB, standardGiB * GiB);
const BYTES = { unit: 'bytes' };
const MINUTES = { unit: 'minutes' };

const TOOL = /^[a-z][a-z0-9_]{0,63}$/;

const toolNames = (description: string) =>
  set(z.array(z.string().regex(TOOL)).max(200).default([]), description, {
    expects: 'tool names, e.g. system_overview',
  });

export const ConfigSchema = z.strictObject({
  mode: set(
    z.enum(MODES).default('ask'),
    'What is allowed at all: `read-only` (change tools are not even listed), `ask` (changes need approval) or `full` (changes run, destroying still needs approval).',
  ),
  toolsets: set(
    z
      .array(z.enum(['core', 'all', ...TOOLSETS]))
      .min(1)
      .max(20)
      .default(['core']),
    'Toolsets that callers may see: names, `core` (the most useful tools of all) or `all`. The flag and the URL can only narrow what is set here.',
    { flagNarrows: true },
  ),
  state: z.strictObject({
    dir: set(plain(4096), 'Folder for audit, tokens and history; made with mode 0700.', {
      folder: true,
      expects: 'the path of a folder',
      defaultText: '/var/lib/deckhand for root, else $XDG_STATE_HOME/deckhand or ~/.local/state/deckhand',
    }),
  }),
  http: HttpSettings,
  auth: AuthSettings,
  tailnet: TailnetSettings,
  roles: RoleList,
  principals: PrincipalList,
  limits: LimitSettings,
  sampling: z.strictObject({
    seconds: set(int(1, 3600, 5), 'Time between two samples of the host.', { unit: 'seconds' }),
    keep: set(int(2, 3600, 60), 'Samples kept in memory.'),
  }),
  host: z.strictObject({
    root: set(plain(4096).default('/'), 'Where the host’s /proc, /sys and /etc are found, e.g. /host in a container.', {
      folder: true,
      expects: 'the path of a folder',
    }),
  }),
  tools: z.strictObject({
    allow: toolNames('If not empty: only these tools exist, within the toolsets.'),
    deny: toolNames('These tools do not exist, whatever else is set.'),
  }),
  processes: z.strictObject({
    protect: set(
      z
        .array(
          z
            .string()
            .max(64)
            .regex(/^[^\p{Cc}*]+\*?$/u),
        )
        .max(200)
        .default([]),
      'Processes that `process_signal` never signals, besides those that hold up the host (init, sshd, systemd, container engines, Deckhand).',
      { expects: 'names as process_list shows them, each with a * at its end or none' },
    ),
  }),
  docker: z.strictObject({
    endpoint: set(
      Endpoint.nullable().default(null),
      'Address of the container engine: a Unix socket, TCP (with TLS by `docker.certPath`) or SSH.',
      {
        expects: ENDPOINT_EXPECTS,
        defaultText: 'DOCKER_HOST, else the socket of rootless Docker, Podman or Docker, whichever is there first',
      },
    ),
    certPath: set(
      plain(4096).nullable().default(null),
      'Folder with ca.pem, cert.pem and key.pem for engines over TLS.',
      { folder: true, expects: 'the path of a folder', defaultText: 'DOCKER_CERT_PATH' },
    ),
    engines: set(
      z
        .array(EngineEntry)
        .max(16)
        .refine((list) => new Set(list.map((e) => e.name)).size === list.length, 'expected each name once')
        .default([]),
      'Several engines by name; tools take the first unless another is named.',
      { expects: 'a list of maps of name, endpoint and certPath', example: ENGINES_EXAMPLE },
    ),
    allow: set(
      z.array(ContainerGlob).max(200).default([]),
      'Containers that change tools may touch, besides those whose label `deckhand.allow` names the right (`control`, `update`, `remove`). Everything else is only looked at.',
      { expects: CONTAINER_GLOB_EXPECTS },
    ),
    protect: set(
      z.array(ContainerGlob).max(200).default([]),
      'Containers that are never changed, whatever else allows it, besides those with the label `deckhand.protect=true`, Deckhand’s own, socket proxies and Tailscale.',
      { expects: CONTAINER_GLOB_EXPECTS },
    ),
    mountRoots: set(
      z.array(plain(4096).startsWith('/')).max(64).default([]),
      'Folders below which `stack_apply` may mount more than the containers of a stack have mounted already. Who can make links in them can reach other folders.',
      { expects: 'absolute paths of folders' },
    ),
  }),
  files: z.strictObject({
    roots: set(
      z
        .array(FileRootEntry)
        .max(64)
        .refine((list) => new Set(list.map((r) => r.path)).size === list.length, 'expected each path once')
        .default(DEFAULT_ROOTS),
      'Folders whose files may be used. `access`: read (default) or write; `depth`: levels below it that may be reached (64); `oneFilesystem`: false also reaches what is mounted in it (true); `symlinks`: follow links that stay `inside` it (default) or `refuse` them; `index`: keep its `names` or `contents` at hand for file_search (none). A list given here replaces the default. Keys, passwords and Deckhand’s own files are never opened.',
      {
        expects: 'a list of maps of path, access, depth, oneFilesystem, symlinks and index',
        defaultText: '/etc and /var/log, to read',
        example: ROOTS_EXAMPLE,
      },
    ),
    deny: set(
      z.array(DenyGlob).max(500).default([]),
      'Files and folders that are never opened, besides the deny list that is built in.',
      { expects: DENY_EXPECTS },
    ),
    trashDays: set(int(1, 3_650, 7), 'What `file_delete` moved away goes for good after so many days.', {
      unit: 'days',
    }),
    index: FileIndexSettings,
    transfers: z.strictObject({
      links: set(
        z.boolean().default(false),
        'Whether the URL of a file on its way serves without a token, once and for ten minutes: for programs that cannot send one. Whoever reads the URL has the file.',
      ),
      minutes: set(
        int(1, 60, 30),
        'How long the URL of `file_download` serves, and `file_upload` waits for the next bytes.',
        MINUTES,
      ),
      maxBytes: set(upTo(16), 'Largest file that `file_download` gives and `file_upload` takes.', BYTES),
      principalBytes: set(upTo(16), 'Bytes that uploads of one principal may come to at once.', BYTES),
      allBytes: set(upTo(32), 'Bytes that all uploads may come to at once.', BYTES),
      atOnce: set(int(1, 1000, 8), 'Files on their way over HTTP at once.'),
      perPrincipal: set(int(1, 1000, 4), 'Files on their way over HTTP at once for one principal.'),
    }),
  }),
  net: z.strictObject({
    allow: set(
      z.array(PrefixText).max(200).default([]),
      'Networks that `net_probe` may reach beside the Internet and those that this host is in: private ones, or loopback (127.0.0.0/8). Metadata services and link-local addresses are never reached.',
      { expects: PREFIX_EXPECTS },
    ),
    deny: set(z.array(PrefixText).max(200).default([]), 'Networks that `net_probe` never reaches.', {
      expects: PREFIX_EXPECTS,
    }),
    probesPerMinute: set(int(1, 10_000, 60), 'Probes of one principal in a minute: connections, queries and pings.'),
    addressesPerHour: set(int(1, 10_000, 60), 'Different addresses that one principal may probe in an hour.'),
    measure: set(
      z.boolean().default(false),
      'Whether other Deckhands may measure the way to this one (`/measure`, for tokens with net:read): up to 512 MiB and 10 s each way, one at a time for a token.',
    ),
  }),
  peers: set(
    PeerList,
    'Other Deckhands that `net_bandwidth` may measure the way to, by name. `tokenFile` holds a token made there (viewer is enough), and only its owner may read it; there `net.measure` must be on. `plain: true` allows http.',
    { expects: 'a list of maps of name, url, plain and tokenFile', example: PEERS_EXAMPLE },
  ),
  services: z.strictObject({
    allow: set(
      z.array(UnitGlob).max(200).default([]),
      'Units that `service_control` may change. Everything else is only looked at. What holds up the host and the way to it (ssh, network, D-Bus, systemd itself, Deckhand) is not stopped, restarted or disabled even so.',
      { expects: UNIT_GLOB_EXPECTS },
    ),
    protect: set(z.array(UnitGlob).max(200).default([]), 'Units that are never changed, whatever else allows it.', {
      expects: UNIT_GLOB_EXPECTS,
    }),
  }),
  stdio: z.strictObject({
    role: set(
      z.enum(ROLES).default('operator'),
      'Role of a client that launches `deckhand stdio`. `mode` still decides whether a change runs, asks or is refused.',
    ),
  }),
  cli: z.strictObject({
    role: set(z.enum(ROLES).default('admin'), 'Role of the person who runs `deckhand call` on this host.'),
  }),
  redact: z.strictObject({
    values: set(
      z.array(z.string().min(6).max(4096)).max(256).default([]),
      'Texts that never leave this host in an answer, besides what looks like a secret.',
      { secret: true, expects: 'texts of 6 to 4096 characters' },
    ),
  }),
  notify: NotifySettings,
  approvals: z.strictObject({
    client: set(
      z.enum(['never', 'change']).default('never'),
      'Whether an MCP client may ask its own user and answer for them: `never`, or `change` (never for what destroys). It proves that the client said yes, not that a person did.',
    ),
    minutes: set(int(1, 10, 10), 'How long a question waits for its answer, and an approval for its use.', {
      unit: 'minutes',
    }),
    rules: set(
      z.array(Rule).max(200).default([]),
      'Rules for changes, by `principal`, `tool`, `risk` (change or destroy) and `target` (kind:name), each with `*` for any text; a part that is left out fits all. `decide`: allow, ask or deny. A deny that fits goes before all others; of those the first that fits counts, for several targets the strictest; where none fits, `mode` decides. Without `risk` an allow covers `change` only: what destroys is never allowed by a rule.',
      { expects: 'a list of maps of principal, tool, risk, target and decide', example: RULES_EXAMPLE },
    ),
  }),
  audit: z.strictObject({
    segmentBytes: set(
      // It is read whole when it is verified.
      int(64 * KiB, 256 * MiB, 8 * MiB),
      'An audit file that has grown to this size is closed and a new one begun.',
      {
        unit: 'bytes',
      },
    ),
    keepBytes: set(
      int(MiB, 1024 * GiB, 256 * MiB),
      'Audit files kept in all; beyond it the oldest closed ones are removed.',
      { unit: 'bytes' },
    ),
    heads: set(
      z.enum(['auto', 'syslog', 'off']).default('auto'),
      'Whether the last hash of the audit is told to the system’s log now and then, so that an audit written anew shows: `auto` (where /dev/log and `logger` are there), `syslog` (and a warning where not) or `off`.',
    ),
  }),
  backup: BackupSettings,
  log: z.strictObject({
    level: set(z.enum(['debug', 'info', 'warn', 'error']).default('info'), 'Least level that is written to stderr.'),
    format: set(
      z.enum(['auto', 'json', 'pretty']).default('auto'),
      '`json`, `pretty` (one readable line) or `auto`: pretty on a terminal.',
    ),
  }),
});

type DeepReadonly<T> = T extends (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;
export type Config = DeepReadonly<z.output<typeof ConfigSchema>>;
