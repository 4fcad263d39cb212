/**
 * Whole files on their way, as the tools that move them see it: where their caller is, and what a face does with the bytes. Types only;
 * who may fetch or send what, for how long and how much, is policy's.
 */
import type { FileStage, FileStat } from './files.ts';

/** A file as it is offered: whoever fetches it gets these very bytes, or an error. */
export interface OfferedFile {
  path: string;
  stat: FileStat;
  sha256: string;
}

export interface Offer {
  url: string;
  expiresAtMs: number;
  /** Until when the URL alone serves, once; null: never, it needs the caller's token. */
  linkUntilMs: number | null;
}

export interface Transfers {
  /** `url`: its caller comes over HTTP, and fetches or sends by requests of their own. `here`: it is on this host and opens paths itself. */
  way: 'url' | 'here';
  /** Of one file. */
  maxBytes: number;
  offer(file: OfferedFile): Offer;
  /**
   * Tells the caller where to send the bytes (the call answers `running`) and resolves when all are in the stage, with their digest.
   * Rejects with the signal, or when nothing comes for too long.
   */
  receive(
    what: { path: string; sizeBytes: number },
    stage: FileStage,
    signal: AbortSignal,
  ): Promise<{ sha256: string }>;
}

/** What a call says at once, because its caller has something to do before it can end: fields of its answer, and words. */
export interface Turn {
  fields: Record<string, unknown>;
  summary: string;
  next: string;
}
