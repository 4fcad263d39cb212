/**
 * Installing as a list of steps, each with whether it is needed: first the list is made from what is there, then what is needed is done.
 * Each can be repeated, also after a kill in its middle, and a second run finds nothing to do. Decides order and contents; the switch
 * between versions, with its way back, is switch.ts's.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import { writeWhole } from '../../store/write_whole.ts';
import { readlinkOr, textOf } from './files.ts';
import type { Address } from './health.ts';
import { textOf as addressText } from './health.ts';
import { type Machine, must, show } from './machine.ts';
import { LAUNCHER_TARGET, SERVICE, SOCKET, shown, USER } from './place.ts';
import { currentVersion, ensureFolder, folderOf, switchTo, type Wanted } from './record.ts';
import { enabledOf, filesWanted } from './units.ts';
import { isUp, running, waitUp } from './up.ts';

export interface Step {
  /** One word: what is printed before the text. */
  name: string;
  text: string;
  needed: boolean;
  run(): Promise<unknown> | unknown;
}

export interface Target extends Wanted {
  address: Address;
}

const CONFIG = `# Deckhand's settings: every one of them, with its default, is in deploy/config.example.yaml and docs/configuration.md
# (/opt/deckhand/current/…). After a change: sudo systemctl restart deckhand
#
# Another address to listen on is set here, and brought to systemd's socket by: sudo deckhand service install
#http:
#  host: 127.0.0.1
#  port: 7070
#
# Whether changes happen at all: read-only (never), ask (each waits for sudo deckhand approve), full (only what destroys waits).
# Which containers, units and files may be changed is docker.allow, services.allow and files.roots: none unless named here.
#mode: ask
`;

/** All but the version's own files, which were brought before. */
export async function planFor(m: Machine, target: Target, o: { start: boolean; folder?: string }): Promise<Step[]> {
  const { place } = m;
  const folder = o.folder ?? folderOf(place, target.version);
  const steps: Step[] = [];
  const add = (name: string, text: string, needed: boolean, run: Step['run']) =>
    steps.push({ name, text, needed, run });
  const files = filesWanted(place, folder, target.powers, target.address);
  const changed = files.write.size > 0 || files.remove.length > 0;

  for (const [path, content] of files.write)
    add('write', shown(place, path), true, () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      writeWhole(path, content, 0o644);
    });
  for (const path of files.remove) add('remove', shown(place, path), true, () => rmSync(path, { force: true }));
  add('user', `the user ${USER}, without a password or a shell`, m.user() === null, () => makeUser(m));
  folderSteps(m, add);
  add('config', `${shown(place, place.config)} (kept when it is there)`, textOf(place.config) === null, () =>
    writeWhole(place.config, CONFIG, 0o644),
  );
  add(
    'link',
    `${shown(place, place.current)} -> versions/${target.version}`,
    currentVersion(place) !== target.version,
    () => switchTo(place, target.version),
  );
  add('link', `${shown(place, place.launcher)} -> ${LAUNCHER_TARGET}`, !launcherThere(m), () => linkLauncher(m));

  const stale = changed || (await needsReload(m));
  add('systemd', 'reads the unit files again', stale, () => must(m, 'systemctl', ['daemon-reload']));
  const enable = await notEnabled(
    m,
    enabledOf(folder).filter((n) => !files.masked.some((p) => p.endsWith(`/${n}`))),
  );
  add('enable', `${enable.join(', ') || enabledOf(folder).join(', ')}: at each boot`, enable.length > 0, () =>
    must(m, 'systemctl', ['enable', '--quiet', ...enable]),
  );
  if (!o.start) return steps;
  const masked = files.masked.some((p) => p.endsWith(`/${SOCKET}`));
  const moved = !masked && !(await socketAt(m, target.address));
  const restart = changed || moved || (await isUp(m, target.version, target.address)) === null;
  add(
    'start',
    `${SERVICE} as version ${target.version}, on ${addressText(target.address)}; wait until it answers`,
    restart,
    () => bringUp(m, target, { socket: !masked }),
  );
  const timers = enabledOf(folder).filter((n) => n.endsWith('.timer'));
  const idle = await notActive(m, timers);
  if (timers.length) add('start', timers.join(', '), idle.length > 0, () => must(m, 'systemctl', ['start', ...timers]));
  return steps;
}

export async function applySteps(m: Machine, steps: readonly Step[], say: (step: Step) => void): Promise<number> {
  let done = 0;
  for (const step of steps.filter((s) => s.needed)) {
    if (m.signal.aborted)
      throw new OpsError('timeout', 'Stopped before its end.', {
        hint: 'Run the same command again: it goes on from here.',
      });
    m.before(`${step.name} ${step.text}`);
    say(step);
    await step.run();
    done++;
  }
  return done;
}

async function makeUser(m: Machine): Promise<void> {
  const { place } = m;
  if (m.has('systemd-sysusers')) await must(m, 'systemd-sysusers', [place.sysusers]);
  else if (m.has('useradd'))
    await must(m, 'useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir',
      '/var/lib/deckhand',
      '--shell',
      '/usr/sbin/nologin',
      USER,
    ]);
  if (m.user() === null)
    throw new OpsError('unavailable', `The user ${USER} could not be made.`, {
      hint: `Make it by hand (a system user and group called ${USER}), then install again.`,
    });
}

function folderSteps(m: Machine, add: (name: string, text: string, needed: boolean, run: Step['run']) => void): void {
  const { etc, state } = m.place;
  const etcThere = lstatSync(etc, { throwIfNoEntry: false });
  add('folder', `${shown(m.place, etc)} (root, 0755)`, !etcThere, () => ensureFolder(etc));
  const ids = m.user();
  const there = lstatSync(state, { throwIfNoEntry: false });
  const right =
    there?.isDirectory() === true && ids !== null && there.uid === ids.uid && (there.mode & 0o777) === 0o700;
  // A link is the owner's own arrangement: where it leads is not changed from here.
  const link = there?.isSymbolicLink() === true;
  add('folder', `${shown(m.place, state)} (${USER}, 0700)`, !right && !link, () => {
    const now = m.user();
    if (now === null) throw new OpsError('not_found', `There is no user ${USER}.`);
    ensureFolder(state, 0o700);
    chownSync(state, now.uid, now.gid);
    chmodSync(state, 0o700);
  });
}

const launcherThere = (m: Machine): boolean => readlinkOr(m.place.launcher) === LAUNCHER_TARGET;

function linkLauncher(m: Machine): void {
  const { launcher } = m.place;
  const there = lstatSync(launcher, { throwIfNoEntry: false });
  if (there && !there.isSymbolicLink())
    throw new OpsError('conflict', `${shown(m.place, launcher)} is there, and is no link of ours.`, {
      hint: 'Look at it, move it away, then install again.',
    });
  mkdirSync(dirname(launcher), { recursive: true, mode: 0o755 });
  const next = `${launcher}.${process.pid}.tmp`;
  rmSync(next, { force: true });
  symlinkSync(LAUNCHER_TARGET, next);
  renameSync(next, launcher);
}

const needsReload = async (m: Machine): Promise<boolean> =>
  (await show(m, SERVICE, ['NeedDaemonReload'])).NeedDaemonReload === 'yes';

async function notEnabled(m: Machine, units: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const unit of units)
    if ((await m.run('systemctl', ['is-enabled', unit])).stdout.trim() !== 'enabled') missing.push(unit);
  return missing;
}

async function notActive(m: Machine, units: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const unit of units)
    if ((await m.run('systemctl', ['is-active', unit])).stdout.trim() !== 'active') missing.push(unit);
  return missing;
}

/** systemd listens there, as `systemctl show` writes it: `127.0.0.1:7070 (Stream)`. */
async function socketAt(m: Machine, address: Address): Promise<boolean> {
  const { ActiveState, Listen } = await show(m, SOCKET, ['ActiveState', 'Listen']);
  return (
    ActiveState === 'active' && Listen.split('\n').some((l) => l.replace(/ \(Stream\)$/, '') === addressText(address))
  );
}

/** The socket stays open over a restart; only another address needs it closed, and then the service first. */
async function bringUp(m: Machine, target: Target, o: { socket: boolean }): Promise<void> {
  const before = await running(m);
  if (o.socket && !(await socketAt(m, target.address))) {
    await must(m, 'systemctl', ['stop', SOCKET, SERVICE], 90_000);
    await must(m, 'systemctl', ['start', SOCKET]);
  }
  await m.run('systemctl', ['reset-failed', SERVICE]);
  await must(m, 'systemctl', ['restart', '--no-block', SERVICE]);
  await waitUp(m, {
    version: target.version,
    address: target.address,
    ...(before.invocation ? { not: before.invocation } : {}),
  });
}
