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

/** What file_list, file_read and the candidates of file_search need. */
export interface FileReader {
  /** One path: its stat, and its entries where it is a directory. A link that ends the path is described, not followed. */
  list(path: FilePath, o: Bounded & { limit: number; stat?: boolean }): Promise<FileListing>;
  /** At most `length` bytes from `offset`; a negative offset counts from the end. */
  read(path: FilePath, o: Bounded & { offset?: number; length: number }): Promise<FileBytes>;
}

export interface FilesHost {
  roots(): readonly FileRoot[];
  reader: FileReader;
}
