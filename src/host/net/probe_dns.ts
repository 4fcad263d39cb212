/**
 * One question to one name server, over UDP or TCP (RFC 1035, 7766, EDNS 6891). Decides what counts as the answer to it: from that
 * server, with our number and our question in it. What the packet says is dns-packet's to read; what it means is insight's.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import { OpsError } from '../../core/errors.ts';
import type { DnsAsk, DnsReply, ProbeBounds } from '../../core/probe.ts';

/** What most networks pass in one piece (DNS flag day 2020). */
const UDP_BYTES = 1_232;
const TCP_BYTES = 65_535;
const MOST_ANSWERS = 40;
const LONGEST = 512;

export async function askDns(ask: DnsAsk, o: ProbeBounds): Promise<DnsReply> {
  const started = performance.now();
  const signal = AbortSignal.any([AbortSignal.timeout(o.timeoutMs), ...(o.signal ? [o.signal] : [])]);
  const id = randomInt(65_536);
  const question = encode(questionOf(ask, id));
  const first = ask.tcp ? null : await udp(ask, question, signal);
  let over: 'udp' | 'tcp' = 'udp';
  let bytes = first;
  if (!bytes || bytes.readUInt16BE(2) & 0x0200) {
    bytes = await tcp(ask, question, signal);
    over = 'tcp';
  }
  const ms = performance.now() - started;
  return { ...told(read(bytes), ask), over, bytes: bytes.length, ms };
}

const questionOf = (ask: DnsAsk, id: number): Packet => ({
  type: 'query',
  id,
  flags: 0x0100,
  questions: [{ type: ask.type, name: ask.name, class: 'IN' }],
  additionals: [{ type: 'OPT', name: '.', udpPayloadSize: UDP_BYTES, flags: 0, options: [] } as never],
});

/** Only datagrams of that server reach a connected socket; of these, only one with our number and question is the answer. */
function udp({ at, name }: DnsAsk, question: Buffer, signal: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = createSocket(at.address.includes(':') ? 'udp6' : 'udp4');
  const late = () => reject(unanswered(signal, at.address));
  if (signal.aborted) late();
  signal.addEventListener('abort', late, { once: true });
  socket.on('error', reject);
  socket.on('message', (bytes) => {
    if (answers(bytes, question, name)) resolve(bytes);
  });
  socket.on('connect', () => socket.send(question, (error) => error && reject(error)));
  try {
    socket.connect(at.port, at.address);
  } catch (error) {
    reject(error);
  }
  return promise
    .catch((error) => {
      throw asOurs(error, at.address);
    })
    .finally(() => {
      signal.removeEventListener('abort', late);
      socket.close();
    });
}

/** The number, that it is an answer, and the question byte for byte but for the case of letters. */
function answers(bytes: Buffer, question: Buffer, name: string): boolean {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== question.readUInt16BE(0) || !(bytes[2] as number & 0x80))
    return false;
  // FORMERR and its like may come without the question.
  if (bytes.readUInt16BE(4) === 0) return ((bytes[3] as number) & 0x0f) !== 0;
  const asked = question.subarray(12, 12 + Buffer.byteLength(name) + 6);
  return (
    bytes
      .subarray(12, 12 + asked.length)
      .toString('latin1')
      .toLowerCase() === asked.toString('latin1').toLowerCase()
  );
}

function tcp({ at, name }: DnsAsk, question: Buffer, signal: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect({ host: at.address, port: at.port, noDelay: true });
  const late = () => reject(unanswered(signal, at.address));
  if (signal.aborted) late();
  signal.addEventListener('abort', late, { once: true });
  let got = Buffer.alloc(0);
  socket.on('error', reject);
  socket.on('connect', () => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(question.length);
    socket.write(Buffer.concat([length, question]));
  });
  socket.on('data', (chunk) => {
    got = Buffer.concat([got, chunk]);
    if (got.length < 2) return;
    const whole = got.readUInt16BE(0);
    if (got.length > TCP_BYTES + 2 || got.length >= whole + 2) {
      const bytes = got.subarray(2, whole + 2);
      if (answers(bytes, question, name)) resolve(bytes);
      else reject(new OpsError('unavailable', `${at.address} answered another question.`));
    }
  });
  socket.on('end', () => reject(new OpsError('unavailable', `${at.address} closed the connection without an answer.`)));
  return promise
    .catch((error) => {
      throw asOurs(error, at.address);
    })
    .finally(() => {
      signal.removeEventListener('abort', late);
      socket.destroy();
    });
}

const unanswered = (signal: AbortSignal, address: string): unknown =>
  signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
    ? new OpsError('timeout', `${address} did not answer.`)
    : signal.reason;

function asOurs(error: unknown, address: string): unknown {
  if (error instanceof OpsError || error instanceof DOMException) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  return new OpsError('unavailable', `${address} cannot be asked (${code}).`, { errno: code, cause: error });
}

function read(bytes: Buffer): DecodedPacket {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new OpsError('unavailable', 'The name server answered with a packet that is no DNS.', { cause });
  }
}

function told(packet: DecodedPacket, ask: DnsAsk) {
  const answers = packet.answers ?? [];
  const flags = packet.flags ?? 0;
  return {
    code: (packet as { rcode?: string }).rcode ?? CODES[flags & 0x0f] ?? String(flags & 0x0f),
    authoritative: (flags & 0x0400) !== 0,
    recursion: (flags & 0x0080) !== 0,
    authenticated: (flags & 0x0020) !== 0,
    truncated: (flags & 0x0200) !== 0,
    answers: answers.slice(0, MOST_ANSWERS).map((a) => ({
      name: (a.name || ask.name).slice(0, 255),
      type: a.type,
      ttl: 'ttl' in a && typeof a.ttl === 'number' ? a.ttl : 0,
      data: dataOf(a as { type: string; data?: unknown }).slice(0, LONGEST),
    })),
    notTold: Math.max(0, answers.length - MOST_ANSWERS),
  };
}

const CODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** As zone files write it. */
function dataOf({ type, data }: { type: string; data?: unknown }): string {
  if (typeof data === 'string') return data;
  if (Array.isArray(data) || Buffer.isBuffer(data))
    return (Array.isArray(data) ? data : [data])
      .map((part) => (typeof part === 'string' ? part : Buffer.from(part as Uint8Array).toString('utf8')))
      .join('');
  if (typeof data !== 'object' || data === null) return '';
  const d = data as Record<string, unknown>;
  if (type === 'MX') return `${d.preference} ${d.exchange}`;
  if (type === 'SRV') return `${d.priority} ${d.weight} ${d.port} ${d.target}`;
  if (type === 'SOA') return `${d.mname} ${d.rname} ${d.serial} ${d.refresh} ${d.retry} ${d.expire} ${d.minimum}`;
  if (type === 'CAA') return `${d.flags ?? 0} ${d.tag} "${d.value}"`;
  return JSON.stringify(data);
}
