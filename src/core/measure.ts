/**
 * Measuring the way to another Deckhand: the words that host, tool and faces share. Raw figures; what they mean is insight's. Bounds stand
 * here, because both ends hold to them: who asks for more is refused at either.
 */
import type { Bounded } from './host.ts';
import type { At } from './probe.ts';

export const MEASURE = {
  /** One way. */
  mostBytes: 512 * 1024 * 1024,
  mostSeconds: 10,
  /** After that the far end stops, whatever is under way. */
  graceMs: 2_000,
  /** Of the samples that either end makes. */
  sampleMs: 100,
  /** Where it is served. */
  path: '/measure',
} as const;

export type MeasureWay = 'down' | 'up';

/** As the owner's config names it. The token is not among it: it is read from its file when it is used. */
export interface Peer {
  name: string;
  /** Of its HTTP face: http(s)://host[:port][/path], without a final slash. */
  url: string;
}

/** One way under load. */
export interface Streamed {
  bytes: number;
  /** From the first byte to the last one, at the end that received them. */
  ms: number;
  /** Bytes of each `MEASURE.sampleMs`, at that end. */
  samples: number[];
  /** Of small requests beside the stream. */
  rttsMs: number[];
  ended: 'bytes' | 'time';
}

export interface MeasureSession {
  /** Small requests one after the other, with nothing beside them. */
  idle(count: number): Promise<number[]>;
  stream(way: MeasureWay, bounds: { bytes: number; seconds: number }, onBytes: (n: number) => void): Promise<Streamed>;
  close(): void;
}

export interface MeasureHost {
  peers: readonly Peer[];
  /** To an address that has been checked. Throws `conflict` while another measurement runs here. */
  open(peer: string, at: At, o: Bounded): Promise<MeasureSession>;
}
