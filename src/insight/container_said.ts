/**
 * What engines and programs say when something is missing or taken, told apart by their own words: of an engine that could not start a
 * container, and of a program's log. Pure. Words that fit nothing here are given on as they are.
 */

export type Refusal =
  | 'disk_full'
  | 'port_taken'
  | 'dependency_down'
  | 'network_missing'
  | 'network_conflict'
  | 'mount_missing'
  | 'device_missing'
  | 'user_missing'
  | 'image_missing'
  | 'not_executable'
  | 'command_not_found';

/** The first that fits: what is wrong with a mount or a device also says "no such file". */
const ENGINE: readonly [Refusal, RegExp][] = [
  ['disk_full', /no space left on device|disk quota exceeded/i],
  [
    'port_taken',
    /port is already allocated|bind: address already in use|ports are not available|bind for \S{1,80} failed/i,
  ],
  [
    'dependency_down',
    /cannot join network of a non running container|no such container: [0-9a-f]{12}|joining network namespace of container/i,
  ],
  ['network_missing', /network \S{1,255} not found|could not find a network|network not found/i],
  [
    'network_conflict',
    /address already in use|endpoint with name .{1,255} already exists|pool overlaps|container name .{1,255} is already in use/i,
  ],
  ['device_missing', /gathering device information|could not select device driver|no such device|devices?\.allow/i],
  [
    'mount_missing',
    /bind source path does not exist|error mounting |creating mount source path|failed to mount local volume|no such volume|volume .{1,255} not found|mountpoint|statfs /i,
  ],
  ['user_missing', /unable to find (?:user|group)|no matching entries in (?:passwd|group) file/i],
  ['image_missing', /no such image|unable to find image|image not known|layer does not exist|failed to get image/i],
  [
    'not_executable',
    /exec format error|exec: .{0,400}(?:permission denied|is a directory)|permission denied: unknown|open executable: permission denied|OCI permission denied/i,
  ],
  ['command_not_found', /executable file .{0,400}not found|exec: .{0,400}no such file or directory/i],
];

/** Engines say some hundred characters; expressions over more would cost time for nothing. */
const LONGEST = 2_000;

export function refusalOf(error: string): Refusal | null {
  const text = error.slice(0, LONGEST);
  return text === '' ? null : (ENGINE.find(([, words]) => words.test(text))?.[0] ?? null);
}

/** The host's port in an engine's complaint: `Bind for 0.0.0.0:80 failed`, `listen tcp4 0.0.0.0:80: bind: …`. */
export function portIn(error: string): number | null {
  const m = /(?:bind for|listen (?:tcp|udp)[46]?|exposing port (?:tcp|udp))\s+\S{0,64}?:(\d{1,5})(?!\d)/i.exec(
    error.slice(0, LONGEST),
  );
  return m ? Number(m[1]) : null;
}

export type Trouble = 'disk_full' | 'port_in_use' | 'out_of_memory' | 'permission_denied' | 'cannot_connect';

const LOG: readonly [Trouble, RegExp][] = [
  ['disk_full', /no space left on device|\bENOSPC\b|disk quota exceeded|disk is full/i],
  ['port_in_use', /\bEADDRINUSE\b|address already in use|port \d{1,5} (?:was|is) already in use/i],
  [
    'out_of_memory',
    /heap out of memory|OutOfMemoryError|\bMemoryError\b|cannot allocate memory|memory allocation of \d+ bytes failed/i,
  ],
  [
    'cannot_connect',
    /\bECONNREFUSED\b|connection refused|\bENOTFOUND\b|\bEAI_AGAIN\b|name or service not known|no such host|could not (?:connect|translate host)|temporary failure in name resolution|can(?:'|no)t connect to/i,
  ],
  [
    'permission_denied',
    /\bEACCES\b|\bEPERM\b|permission denied|operation not permitted|read-only file system|\bEROFS\b/i,
  ],
];

export const troubleIn = (line: string): Trouble | null => {
  const text = line.slice(0, LONGEST);
  return LOG.find(([, words]) => words.test(text))?.[0] ?? null;
};

/** Why a healthcheck fails that is itself at fault; null: it found something. */
export function checkFault(last: { exitCode: number; output: string }): string | null {
  const said = last.output.slice(0, LONGEST);
  if (last.exitCode < 0 || /health ?check exceeded timeout/i.test(said))
    return 'its check takes longer than its own time-out.';
  if (
    last.exitCode === 127 ||
    last.exitCode === 126 ||
    /executable file .{0,200}not found|OCI runtime exec failed/i.test(said)
  )
    return 'its check cannot run at all: the program it calls is not in the image, or cannot be executed.';
  return null;
}
