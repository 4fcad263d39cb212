/**
 * Files of the host: the roots an owner opens, and the records that reading gives back. Bytes stay bytes here: encodings,
 * lines, redaction and words are for insight/ and tools/. A path is text, or bytes where a name is no valid UTF-8.
 */
import type { Bounded } from './host.ts';

export type FilePath = string | Uint8Array;

/** One folder that the owner opens. The path is absolute and goes through no symlink. */
export interface FileRoot {
  path: string;
  access: 'read' | 'write';
  /** Components below the root that may be reached; 0 is the root itself. */
  depth: number;
  /** Refuse what lies on another device (another mount, a btrfs subvolume). */
  oneFilesystem: boolean;
  /** `inside` follows a link whose target lies in the same root. */
  symlinks: 'refuse' | 'inside';
  /** What of it is kept beside it, so that searches are quick; absent: nothing. */
  index?: 'none' | 'names' | 'contents' | undefined;
}

export type FileKind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character-device' | 'block-device';

/** What fstat says of one thing. What it contains is another question (`read`). */
export interface FileStat {
  kind: FileKind;
  sizeBytes: number;
  /** Bytes on the disk: far fewer than the size where the file has holes. */
  allocatedBytes: number;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  links: number;
  modifiedMs: number;
  changedMs: number;
  accessedMs: number;
  /** Device and inode, as text because they do not fit a number: the same thing, whatever its name. */
  id: string;
}

export interface FileEntry {
  /** For people: what is no UTF-8 in it is shown as U+FFFD. */
  name: string;
  /** The name itself, where `name` does not say it exactly. */
  bytes: Uint8Array | null;
  kind: FileKind | null;
  /** Null where it was not asked for, is denied, or went away. */
  stat: FileStat | null;
  /** On the deny list: it is named, and never opened. */
  denied: boolean;
}

export interface FileListing {
  /** Where it is, after links inside the root. */
  path: string;
  stat: FileStat;
  /** In the order of the directory, which is none: the caller sorts. Null for what is not a directory. */
  entries: FileEntry[] | null;
  /** There are more than were asked for. */
  truncated: boolean;
  /** Of a symlink: the text in it, which may lead anywhere or nowhere. */
  target?: Uint8Array;
}

export interface FileBytes {
  path: string;
  /** Of the moment of opening: a file that grows has more by now. */
  stat: FileStat;
  bytes: Uint8Array;
  /** Where in the file `bytes` begins. */
  offset: number;
  /** The file goes on after `bytes`. */
  truncated: boolean;
}

/** From a line's beginning on: so many line ends, or the next line that may hold a text in any case, whichever comes first. */
export interface ScanFor {
  offset: number;
  /** Bytes that are looked at, at most. */
  length: number;
  lines?: number;
  text?: string;
}

/** Places in a file; nothing of what stands there. */
export interface FileScan {
  path: string;
  stat: FileStat;
  /** Line ends from `offset` to `at`, or to `to` where nothing was found. */
  lines: number;
  /** Beginning of the line that was looked for. */
  at: number | null;
  /** Where the text may stand. */
  hit: number | null;
  to: number;
  /** The file ends at `to`. */
  end: boolean;
}

/** What file_list and file_read need. */
export interface FileReader {
  /** One path: its stat, and its entries where it is a directory. A link that ends the path is described, not followed. */
  list(path: FilePath, o: Bounded & { limit: number; stat?: boolean }): Promise<FileListing>;
  /** At most `length` bytes from `offset`; a negative offset counts from the end. */
  read(path: FilePath, o: Bounded & { offset?: number; length: number }): Promise<FileBytes>;
  /** Quick ways into a large file. Lines end with LF: not for UTF-16. */
  scan(path: FilePath, o: Bounded & ScanFor): Promise<FileScan>;
  /** Of all its bytes, read in pieces; `limit` when there are more than `maxBytes`. */
  hash(path: FilePath, o: Bounded & { maxBytes: number }): Promise<{ path: string; stat: FileStat; sha256: string }>;
}

/** What a search or a deep listing keeps of what it meets. Absent: no matter. */
export interface FindWhat {
  /** Of the name alone, or with `/` in it of the path below the start: `*`, `?`, `**`, `[a-z]`. */
  glob?: string;
  kinds?: readonly FileKind[];
  minBytes?: number;
  maxBytes?: number;
  modifiedAfterMs?: number;
  modifiedBeforeMs?: number;
  /** By the time of the last change of any kind, which no program sets: the only one that tells of a file that was moved here. */
  changedAfterMs?: number;
  /** Of their lines, by RE2 where it is an expression. Binary files are passed over. */
  content?: {
    text: string;
    regex: boolean;
    ignoreCase: boolean;
    /** A text of ASCII that every match of the expression has in it, where one is known. */
    holds?: string;
  };
}

export interface FindBounds extends Bounded {
  /** Levels below the start; 1: its own entries. */
  depth: number;
  /** Hits that are given back, and of each of them so many lines. */
  limit: number;
  /** Entries that are looked at, bytes that are read for content, time. */
  maxEntries: number;
  maxBytes: number;
  maxMs: number;
  /** An index may say where to look: then `looked` counts only what was looked at. */
  index?: boolean;
  /** Some of what will be found, as it is found, for work that can begin early. Only the answer counts: these may be none of it. */
  some?: (found: Found[]) => void;
}

export interface Found {
  /** Shown form, from `/`. */
  path: string;
  /** The path itself where `path` does not say it exactly. */
  bytes: Uint8Array | null;
  stat: FileStat;
  /** Where content was asked for: lines from 1 with their bytes, cut at 1 KiB around the match. */
  lines?: { number: number; offset: number; bytes: Uint8Array; cut: boolean }[];
  /** Matching lines in all, as far as it was read. */
  matches?: number;
}

export interface Finding {
  found: Found[];
  /** More than `limit`: how many hits there were, as far as it was looked. */
  hits: number;
  looked: { entries: number; directories: number; files: number; bytes: number; ms: number };
  /** Sizes of all hits. */
  totalBytes: number;
  /** Denied by the owner or the deny list, unreadable, gone, on another device, too deep: passed over. */
  passedOver: { denied: number; unreadable: number; otherDevice: number; links: number; binary: number };
  /**
   * Only what another program or an index named for its content was looked at: its counts tell of files that are never shown what they
   * hold, and so they are for no caller.
   */
  proposed?: true;
  /** Why it stopped before it was through; null: it looked at all of it. */
  stopped: 'entries' | 'bytes' | 'time' | null;
  /** Where the root asks for an index: how old it is and whether what changed since was looked at; or why it was not used. */
  index?: { ageMs: number; complete: boolean; unused?: undefined } | { unused: string };
}

/** Names and texts that are kept beside the files. It only proposes: what it names is walked to and looked into as ever. */
export interface FileIndex {
  /** All that may be meant, below the folder; null: none is asked for there, or it cannot help with this. */
  propose(
    path: string,
    what: FindWhat,
  ): { paths: string[]; ageMs: number; sinceMs: number } | { unused: string } | null;
  /** Folders that it knows below this one, by their paths from there; null: too many. */
  folders(path: string): string[] | null;
  /** What it knows to lie in the folder; null: it does not know the folder. */
  names(folder: string): ReadonlySet<string> | null;
}

/** What a file must be when it is changed: missing, or exactly this content. */
export type Expected = { missing: true } | { missing?: false; sha256: string };

export interface FileNow {
  path: string;
  stat: FileStat;
  bytes: Uint8Array;
  sha256: string;
}

export interface Written {
  path: string;
  stat: FileStat;
  sha256: string;
  /** What the new file has not from the one that it replaces (an ACL that nobody could look at …), in words; null: it has all. */
  unkept: string | null;
}

export interface WriteOptions extends Bounded {
  expected: Expected;
  /** Of a new file; default 0644. A file that is replaced keeps its own. */
  mode?: number;
  /** False: a file whose owner we cannot give it may become ours. */
  keepOwner: boolean;
}

/** In a folder of ours (0700, `.deckhand-trash-UID` in the root, or in the mount inside it) on the same file system; the token names it, not its path. */
export interface Trashed {
  token: string;
  path: string;
  stat: FileStat;
  /** Null: a directory, or a file too large to be hashed. */
  sha256: string | null;
  entries: number;
  totalBytes: number;
}

/**
 * Changes, each atomic: it is done wholly or not at all, whenever the process dies. Each walks with write access, refuses hard links, links,
 * and what is no ordinary file or folder, compares with `expected` last of all, and throws `conflict` where that has moved.
 * Temporary files are called `.deckhand-…` and removed by whoever finds them later.
 */
export interface FileChanger {
  /** For previews: the bytes now, null where nothing is there (its folder must be, and be writable). At most `maxBytes`, else `limit`. */
  now(path: FilePath, o: Bounded & { maxBytes: number }): Promise<FileNow | null>;
  /** Whether a write there would keep owner, group and mode, and can be made at all: throws what it would throw. */
  check(path: FilePath, o: Bounded & { keepOwner: boolean }): Promise<void>;
  write(path: FilePath, bytes: Uint8Array, o: WriteOptions): Promise<Written>;
  /** Never over something that is there. Across file systems: `validation`. */
  move(
    from: FilePath,
    to: FilePath,
    o: Bounded & { id: string },
  ): Promise<{ from: string; to: string; stat: FileStat }>;
  /**
   * A file or a whole folder, by one rename. `id` as its stat had it. `token`: chosen by the caller (16 to 40 of a-z and 2-7), so that a
   * receipt that is on the disk before the rename can name it; `conflict` where it is taken.
   */
  trash(path: FilePath, o: Bounded & { id: string; token?: string }): Promise<Trashed>;
  /** What lies in the trash under that token, of that path; null where nothing does (any more). */
  trashed(token: string, path: FilePath, o?: Bounded): Promise<Trashed | null>;
  /** How long the trash keeps what lies in it. */
  trashKeepsMs(): number;
  /** Back to where it was; `conflict` where something stands there now. */
  restore(token: string, path: FilePath, o?: Bounded): Promise<{ path: string; stat: FileStat }>;
  /** For good. Of a folder: it and all below, within `maxEntries`, else `limit` before anything is removed. */
  remove(
    path: FilePath,
    o: Bounded & { id: string; maxEntries: number },
  ): Promise<{ entries: number; freedBytes: number }>;
  /** What has lain in the trash for longer goes for good. Tells how much it was. */
  emptyTrash(o: Bounded & { olderThanMs: number }): Promise<{ entries: number; freedBytes: number }>;
}

/** Bytes that pass between the process and a file thread without being copied, however many they are in all. */
export type SharedBytes = Uint8Array<SharedArrayBuffer>;

/** A file that is given away in pieces, held open as it was at its opening. */
export interface FileSource {
  path: string;
  stat: FileStat;
  /** Fills `into` from `offset`: fewer bytes only at the end. `conflict` when the file is not what was opened any more. One at a time. */
  read(into: SharedBytes, offset: number, o?: Bounded): Promise<number>;
  /** Of all its bytes; none of them is a private key's, else `permission`. `onBytes`: how far it is. */
  digest(o: Bounded & { onBytes?: (bytes: number) => void }): Promise<string>;
  close(): Promise<void>;
}

/** What is to become of a stage: as a write has it, and how much will come. */
export interface StageOptions extends WriteOptions {
  sizeBytes: number;
}

/**
 * A file in the making, beside the one that it is to be: `.deckhand-…`, 0600 until it is whole. Nothing of the target is touched before
 * `commit`. Whatever becomes of it, `discard` ends it: then nothing of it is left behind.
 */
export interface FileStage {
  path: string;
  /** Bytes that are in it. */
  size(): number;
  /** The first `length` of `bytes`, behind those that are in it. One at a time. */
  append(bytes: SharedBytes, length: number, o?: Bounded): Promise<void>;
  /** Begins anew. */
  truncate(o?: Bounded): Promise<void>;
  /** Whole and on the disk, with owner and mode, and the target still as expected. Tells what could not be kept, as a write does. */
  ready(): Promise<Pick<Written, 'unkept'>>;
  /** By one rename (or link, where nothing may stand there). `conflict` when the target has moved since `ready`. */
  commit(): Promise<{ path: string; stat: FileStat }>;
  discard(): Promise<void>;
}

/** Files too large for memory: down in pieces, up into a stage. */
export interface FileTransfers {
  open(path: FilePath, o?: Bounded): Promise<FileSource>;
  stage(path: FilePath, o: StageOptions): Promise<FileStage>;
}

/**
 * What one caller may have of the roots: patterns as core/path_like.ts reads them. Nothing that `deny` fits is opened; of each list of
 * `allow` one pattern must fit. No link is followed, so that a name is the place that it says.
 */
export interface FileBounds {
  deny: readonly string[];
  allow: readonly (readonly string[])[];
}

export interface FilesHost {
  /** The same, and no more of it than these bounds let through. */
  within(bounds: FileBounds): FilesHost;
  roots(): readonly FileRoot[];
  reader: FileReader;
  find(path: FilePath, what: FindWhat, o: FindBounds): Promise<Finding>;
  changer: FileChanger;
  transfers: FileTransfers;
}
