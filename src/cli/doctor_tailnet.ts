/**
 * The doctor's look at the way of the tailnet: whether tailscaled answers, is new enough, leads to our socket and to nobody else's harm,
 * and who on this host could open that socket. Each with its command. Changes nothing, and asks nothing where no socket is set.
 */
import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { App } from '../app.ts';
import type { Config } from '../config/schema.ts';
import { toOpsError } from '../core/errors.ts';
import { isVersion } from '../core/tailnet.ts';
import type { Check } from './doctor.ts';
import { broken, note, ok, warning } from './doctor_state.ts';
import { shell } from './welcome.ts';

export type Facts = Awaited<ReturnType<NonNullable<Awaited<ReturnType<App['auth']>>['tailnet']>['facts']>>;
type Settings = Pick<Config, 'tailnet' | 'http'>;

const TITLE = 'Tailnet';
const DAY_MS = 86_400_000;
/** `tailscale serve` reaches Unix sockets since then; grants can be asked for as of a service since the other. */
const UNIX = [1, 94] as const;
const BY_SERVICE = [1, 100] as const;

export async function tailnetChecks(app: Pick<App, 'config' | 'auth'>): Promise<Check[]> {
  const { socket, localApi } = app.config.tailnet;
  if (socket === null)
    return existsSync(localApi)
      ? [
          note(
            'tailnet.unused',
            TITLE,
            'tailscaled runs here; serve could recognise people of the tailnet without tokens (docs/tailnet.md).',
            'tailnet.socket: /run/deckhand/mcp.sock',
          ),
        ]
      : [];
  try {
    const { tailnet } = await app.auth();
    const checks = socketChecks(socket, readGroups);
    return tailnet ? [...checks, ...factChecks(app.config, await tailnet.facts(), Date.now())] : checks;
  } catch (thrown) {
    // Of the issuers: their own check says it.
    return [warning('tailnet', TITLE, toOpsError(thrown).message, toOpsError(thrown).details.hint ?? null)];
  }
}

export function factChecks({ tailnet, http }: Settings, f: Facts, now: number): Check[] {
  const { status, serve, version, trouble } = f;
  const checks: Check[] = [];
  if (trouble) checks.push(broken('tailnet.tailscaled', TITLE, trouble.message, trouble.details.hint ?? null));
  else
    checks.push(
      ok('tailnet.tailscaled', TITLE, `tailscaled ${version ?? '(unknown version)'} answers at ${tailnet.localApi}.`),
    );
  if (version !== null && isVersion(version, UNIX) !== true)
    checks.push(
      broken(
        'tailnet.version',
        TITLE,
        `tailscaled ${version} cannot serve a Unix socket; 1.94 can.`,
        'sudo tailscale update',
      ),
    );
  else if (version !== null && tailnet.service !== null && isVersion(version, BY_SERVICE) !== true)
    checks.push(
      broken(
        'tailnet.version',
        TITLE,
        `tailscaled ${version} cannot say which grants are for ${tailnet.service}, so nobody gets a role by them; 1.100 can.`,
        'sudo tailscale update',
      ),
    );
  if (status) checks.push(...statusChecks(status, { tailnet, http }, now));
  if (serve) checks.push(...serveChecks(f, { tailnet, http }));
  return checks;
}

function statusChecks(status: NonNullable<Facts['status']>, { tailnet, http }: Settings, now: number): Check[] {
  const checks: Check[] = [];
  if (status.state !== 'Running')
    checks.push(
      broken('tailnet.state', TITLE, `tailscaled is not in its tailnet: ${status.state}.`, 'sudo tailscale up'),
    );
  const { keyExpiresAtMs: end } = status;
  const reauth = 'sudo tailscale up --force-reauth, or disable key expiry of this machine in the admin console';
  if (end !== null && end <= now)
    checks.push(broken('tailnet.key', TITLE, 'The key of this machine has expired: nobody reaches it.', reauth));
  else if (end !== null && end - now < 14 * DAY_MS)
    checks.push(
      warning(
        'tailnet.key',
        TITLE,
        `The key of this machine expires on ${new Date(end).toISOString().slice(0, 10)}.`,
        reauth,
      ),
    );
  if (status.tun === false)
    checks.push(
      warning(
        'tailnet.userspace',
        TITLE,
        `tailscaled runs in userspace mode: whatever listens on 127.0.0.1, here port ${http.port}, can be reached from the tailnet, too. A token is needed there, and no header counts.`,
        'run tailscaled with /dev/net/tun (in a container: TS_USERSPACE=false, NET_ADMIN), or let no grant open that port',
      ),
    );
  if (tailnet.service !== null && status.tags.length === 0)
    checks.push(
      broken(
        'tailnet.service',
        TITLE,
        `${tailnet.service} can only be offered by a machine that has a tag, and this one has none.`,
        'sudo tailscale up --advertise-tags=tag:deckhand',
      ),
    );
  if (tailnet.service !== null && status.tags.length > 0 && status.services?.includes(tailnet.service) === false)
    checks.push(
      warning(
        'tailnet.approval',
        TITLE,
        `${tailnet.service} is not approved for this host, so that its name leads nowhere.`,
        'admin console, Services: approve this host; or autoApprovers in the policy file (tailscale/grants.hujson)',
      ),
    );
  if (status.state === 'Running' && status.magicDns === false)
    checks.push(
      warning(
        'tailnet.https',
        TITLE,
        'MagicDNS is off in this tailnet, so that this host has no name.',
        'enable MagicDNS and HTTPS in the admin console, under DNS',
      ),
    );
  else if (status.state === 'Running' && status.certDomains.length === 0)
    checks.push(
      warning(
        'tailnet.https',
        TITLE,
        'The tailnet gives no certificates, so that serve cannot speak HTTPS.',
        'enable MagicDNS and HTTPS in the admin console, under DNS',
      ),
    );
  return checks;
}

function serveChecks({ exposed, ways, port, socket }: Facts, { tailnet, http }: Settings): Check[] {
  const checks: Check[] = [];
  const service = tailnet.service === null ? '--bg' : `--service=${tailnet.service}`;
  if (exposed)
    checks.push(
      broken(`tailnet.${exposed.kind}`, TITLE, `${exposed.why}. Nobody is recognised until it is mended.`, exposed.fix),
    );
  else if (ways.length === 0)
    checks.push(
      warning(
        'tailnet.serve',
        TITLE,
        `tailscaled serves nothing that leads to ${socket}.`,
        `sudo tailscale serve ${service} --https=443 unix:${shell(socket)}`,
      ),
    );
  else checks.push(ok('tailnet.serve', TITLE, `served: ${ways.map((w) => `https://${w.at}${w.path}`).join(', ')}.`));
  if (port)
    checks.push(
      warning(
        'tailnet.funnel_port',
        TITLE,
        `Tailscale Funnel opens ${port.at} to the Internet, and it leads to port ${http.port} of this server. Only tokens keep others out there.`,
        `sudo tailscale funnel --https=${port.at.split(':').at(-1)} off`,
      ),
    );
  return checks;
}

/** Whoever can open the socket can claim to be anybody of the tailnet. */
export function socketChecks(
  path: string,
  membersOf: (gid: number) => { name: string; members: string[] } | null,
): Check[] {
  const folder = dirname(path);
  const above = statSync(folder, { throwIfNoEntry: false });
  if (!above?.isDirectory())
    return [
      broken(
        'tailnet.folder',
        TITLE,
        `${folder}, the folder of tailnet.socket, does not exist.`,
        `sudo install -d -m 750 -o deckhand -g deckhand ${shell(folder)}   (the shipped unit makes /run/deckhand)`,
      ),
    ];
  const checks: Check[] = [];
  if (above.mode & 0o002 && !(above.mode & 0o1000))
    checks.push(
      broken('tailnet.folder', TITLE, `Everybody may write in ${folder}.`, `sudo chmod o-w ${shell(folder)}`),
    );
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return [...checks, note('tailnet.socket', TITLE, `${path} is not there: no serve runs that made it.`)];
  if (!found.isSocket())
    return [
      ...checks,
      broken('tailnet.socket', TITLE, `${path} is in the way and is no socket.`, `ls -l ${shell(path)}`),
    ];
  if (found.mode & 0o007)
    checks.push(
      broken('tailnet.socket', TITLE, `${path} is open to everybody on this host.`, `sudo chmod 660 ${shell(path)}`),
    );
  const group = membersOf(found.gid);
  if (found.mode & 0o020 && group && group.members.length > 0)
    checks.push(
      warning(
        'tailnet.group',
        TITLE,
        `Members of the group ${group.name} (${group.members.join(', ')}) can open ${path}, and so claim to be anybody of the tailnet.`,
        'run Deckhand in a group of its own',
      ),
    );
  return checks;
}

/** Those who are named as members; whose first group it is does not stand there. */
export function readGroups(gid: number): { name: string; members: string[] } | null {
  try {
    for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
      const [name = '', , id, members = ''] = line.split(':');
      if (id === String(gid)) return { name, members: members.split(',').filter((m) => m !== '' && m !== name) };
    }
  } catch {}
  return null;
}
