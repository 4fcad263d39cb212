/**
 * Logs of a container, as whole lines in the order in which the engine tells them. Decides how much is read, and that leaving early
 * closes the connection; levels, groups and merging are made in insight/.
 */
import type { LogEnd, LogLine, LogWindow } from '../../core/docker.ts';
import { OpsError } from '../../core/errors.ts';
import { type Choose, containerRef, seconds, withNearNames } from './containers.ts';
import type { Engine } from './engine.ts';
import { opsErrorOf } from './failures.ts';
import { demultiplexer } from './frames.ts';
import { type LineReader, lineReader } from './log_lines.ts';
import { record } from './said.ts';

const LINE_BYTES = 32 * 1024;

export const logReader = (choose: Choose) =>
  async function* logs(ref: string, window: LogWindow): AsyncGenerator<LogLine, LogEnd, undefined> {
    containerRef(ref);
    const engine = choose(window);
    const inspected = await withNearNames(engine, ref, window, () =>
      engine.ask((docker) => docker.getContainer(ref).inspect(), window),
    );
    const tty = record(record(inspected).Config).Tty === true;
    const chunks = await opened(engine, ref, window);
    const take = demultiplexer(tty);
    const o = { maxLineBytes: window.maxLineBytes ?? LINE_BYTES, tty };
    const readers: Record<LogLine['stream'], LineReader> = {
      stdout: lineReader('stdout', o),
      stderr: lineReader('stderr', o),
    };
    const end: LogEnd = { bytesRead: 0, lines: 0, stopped: false };
    try {
      for await (const chunk of chunks) {
        end.bytesRead += chunk.length;
        for (const { stream, bytes, first } of take.push(chunk))
          for (const line of readers[stream].push(bytes, first)) {
            end.lines++;
            yield line;
          }
        if (end.bytesRead >= window.maxBytes) return { ...end, stopped: true };
      }
    } catch (thrown) {
      window.signal?.throwIfAborted();
      throw opsErrorOf(thrown, engine.found.endpoint);
    }
    for (const line of [...readers.stdout.end(), ...readers.stderr.end()]) {
      end.lines++;
      yield line;
    }
    return end;
  };

async function opened(engine: Engine, ref: string, w: LogWindow): Promise<AsyncIterable<Buffer>> {
  try {
    return (await engine.ask(
      (docker) =>
        docker.getContainer(ref).logs({
          stdout: w.stdout ?? true,
          stderr: w.stderr ?? true,
          timestamps: true,
          tail: w.tail ?? 'all',
          since: w.sinceMs === undefined ? undefined : seconds(w.sinceMs),
          until: w.untilMs === undefined ? undefined : seconds(w.untilMs),
        }),
      w,
    )) as AsyncIterable<Buffer>;
  } catch (thrown) {
    if (thrown instanceof OpsError && /does not support reading/.test(thrown.message))
      throw new OpsError('unavailable', 'This container’s log driver keeps nothing that the engine could read.', {
        hint: 'Its logs go elsewhere: container_inspect names the driver. json-file, local and journald can be read.',
        cause: thrown,
      });
    throw thrown;
  }
}
