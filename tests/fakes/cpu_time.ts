/** How much processor a piece of work took: on a busy machine the clock on the wall says how long others were let in. */
export function cpuMs(work: () => void): number {
  const from = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1_000;
}
