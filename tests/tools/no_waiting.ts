/** For vi.mock of node:timers/promises: apart from whatever imports the tools, which import that. */
/** A second passes only on the fake engine's own clock. */
export const noWaiting = async (original: () => Promise<typeof import('node:timers/promises')>) => {
  const real = await original();
  const setTimeout = (ms: number, value: unknown, o: object) =>
    ms === 1_000 ? Promise.resolve(value) : real.setTimeout(ms, value, o);
  return { ...real, setTimeout };
};
