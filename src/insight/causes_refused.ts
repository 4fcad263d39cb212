/**
 * Causes of a container that the engine could not start, or could not start again: from its own words, and where it kept none from what
 * is missing or taken now.
 */
import type { Port } from '../core/docker.ts';
import { clip } from '../core/text.ts';
import { COMMAND, endedAt, INSPECT, LONG, type Row, type Seen, START, telling, words } from './causes_seen.ts';
import { portIn, type Refusal } from './container_said.ts';
import type { CauseHit } from './diagnose.ts';

/** The engine said so when it was last to start it. */
const refused = (
  id: Refusal,
  when: string,
  sentence: string,
  next: string,
  more?: (f: Seen) => Partial<CauseHit>,
): Row => ({
  id,
  when: `the engine could not start it: ${when}`,
  sentence,
  next,
  test: (f) => (f.refusal === id ? { certainty: 'certain', evidence: words(f), ...more?.(f) } : null),
});

export const REFUSED: readonly Row[] = [
  refused('disk_full', 'no space left', 'The disk of the engine is full.', 'docker_system {}'),
  {
    ...refused(
      'port_taken',
      'the port is taken',
      'A port of the host that it wants is taken.',
      'ss -ltnp | grep :{PORT}',
      takenBy,
    ),
    when: 'the engine could not start it: the port is taken; possible where it is down and another one publishes that port now',
    test: (f) => {
      if (f.refusal === 'port_taken') return { certainty: 'certain', evidence: words(f), ...takenBy(f) };
      if (!f.down || f.loop) return null;
      const other = (f.wanted ?? []).map((p) => holder(f, p.hostPort, p.protocol)).find((o) => o !== null);
      return other ? { certainty: 'possible', evidence: [], ...taken(other) } : null;
    },
  },
  refused(
    'network_missing',
    'a network is not there',
    'A network that it was made for is not there any more.',
    'docker_system {}',
    ({ c }) => ({ evidence: [`engine: ${clip(c.error, LONG)}`, `networks: ${c.networks.join(', ')}`] }),
  ),
  refused(
    'network_conflict',
    'an address, a name or a range of addresses is taken',
    'An address or a name that it wants in its network is taken.',
    'docker_system {}',
  ),
  {
    ...refused(
      'mount_missing',
      'the source of a mount is not there',
      'Something that it mounts is not there, or is a folder where a file is wanted, or the other way round.',
      INSPECT,
    ),
    when: 'the engine could not start it: the source of a mount is not there, or of another kind; possible where it was made, never ran, mounts folders of the host, and the engine kept no reason',
    test: (f) => {
      const mounted = binds(f);
      if (f.refusal === 'mount_missing') return { certainty: 'certain', evidence: [...words(f), ...mounted] };
      if (f.c.state !== 'created' || f.c.error !== '' || mounted.length === 0) return null;
      const sentence =
        'The source of one of its mounts may not be there: engines refuse such a start without keeping a word of it.';
      return { certainty: 'possible', evidence: mounted, sentence, next: START };
    },
  },
  refused('device_missing', 'a device is not there', 'A device that it wants is not there, or has no driver.', INSPECT),
  refused('user_missing', 'no such user', 'The user it is to run as is not in its image.', INSPECT),
  {
    ...refused('image_missing', 'its image is not there', 'Its image is not on the engine.', 'image_list {}'),
    when: 'the engine could not start it: its image is not there; or the engine has no such image any more and it is down',
    test: (f) => {
      const gone = [`image ${f.c.image}`, ...words(f)];
      if (f.refusal === 'image_missing') return { certainty: 'certain', evidence: gone };
      if (!f.down || f.imageThere !== false) return null;
      const sentence =
        'The image it was made from is not on the engine any more: it may still start, but cannot be made again until it is pulled.';
      return { certainty: f.c.state === 'created' ? 'likely' : 'possible', evidence: gone, sentence };
    },
  },
  {
    id: 'command_not_found',
    when: 'the engine could not start it: no such program; or exit code 127',
    sentence: 'Its command, or the interpreter that its script names, is not in the image.',
    next: INSPECT,
    test: (f) => byCode(f, 'command_not_found', 127),
  },
  {
    id: 'not_executable',
    when: 'the engine could not start it: not executable; or exit code 126',
    sentence: 'Its command is there but cannot be executed: no execute permission, a wrong architecture, or a folder.',
    next: INSPECT,
    test: (f) => byCode(f, 'not_executable', 126),
  },
];

/** An engine's refusal is certain; a code that its own shell gave may come from deeper within. */
function byCode(f: Seen, id: Refusal, code: number): CauseHit | null {
  if (f.refusal === id) return { certainty: 'certain', evidence: words(f) };
  if (f.refusal !== null || !f.down || f.end?.exit.code !== code) return null;
  const command = clip([...f.c.entrypoint, ...f.c.command].join(' '), COMMAND);
  return { certainty: 'likely', evidence: [endedAt(f), ...words(f), `command: ${command}`, ...telling(f)] };
}

const binds = ({ c }: Seen): string[] => {
  const all = c.mounts.filter((m) => m.type === 'bind').map((m) => m.source);
  const more = all.length > 3 ? ` and ${all.length - 3} more` : '';
  return all.length > 0 ? [`mounts ${clip(all.slice(0, 3).join(', '), LONG)}${more}`] : [];
};

interface Holder {
  port: number;
  name: string;
}
const holder = (f: Seen, port: number | null, protocol?: Port['protocol']): Holder | null => {
  if (port === null) return null;
  const has = (p: Port) => p.hostPort === port && (protocol === undefined || p.protocol === protocol);
  const other = f.others?.find((o) => o.state === 'running' && o.ports.some(has));
  return other ? { port, name: other.name } : null;
};
const taken = ({ port, name }: Holder): Partial<CauseHit> => ({
  evidence: [`container ${clip(name, 128)} publishes ${port}`],
  sentence: 'A port of the host that it wants is published by another container.',
  next: 'container_inspect {"container":"{OTHER}","stats":false{ENGINE}}',
  words: { OTHER: name },
});

function takenBy(f: Seen): Partial<CauseHit> {
  const port = portIn(f.c.error) ?? f.wanted?.find((p) => p.hostPort !== null)?.hostPort ?? null;
  const other = holder(f, port);
  if (other) return { ...taken(other), evidence: [...words(f), ...(taken(other).evidence ?? [])] };
  if (port === null) return {};
  const none = f.others === null ? [] : [`no running container publishes ${port}`];
  const sentence =
    f.others === null
      ? `Port ${port} of the host is taken.`
      : `Port ${port} of the host is taken by a process that is no container, or by a container of another engine.`;
  return { evidence: [...words(f), ...none], sentence, words: { PORT: String(port) } };
}
