/**
 * ARM's /proc/cpuinfo gives numbers where others have "model name". This knows the cores that servers and small boards
 * have; the numbers are those of the processor's own identification register (MIDR), as lscpu has them too.
 */

const PARTS: Record<string, Record<string, string>> = {
  '0x41': {
    '0xb76': 'ARM1176',
    '0xc07': 'Cortex-A7',
    '0xc08': 'Cortex-A8',
    '0xc09': 'Cortex-A9',
    '0xc0f': 'Cortex-A15',
    '0xd03': 'Cortex-A53',
    '0xd04': 'Cortex-A35',
    '0xd05': 'Cortex-A55',
    '0xd07': 'Cortex-A57',
    '0xd08': 'Cortex-A72',
    '0xd09': 'Cortex-A73',
    '0xd0a': 'Cortex-A75',
    '0xd0b': 'Cortex-A76',
    '0xd0c': 'Neoverse-N1',
    '0xd0d': 'Cortex-A77',
    '0xd40': 'Neoverse-V1',
    '0xd41': 'Cortex-A78',
    '0xd44': 'Cortex-X1',
    '0xd46': 'Cortex-A510',
    '0xd47': 'Cortex-A710',
    '0xd48': 'Cortex-X2',
    '0xd49': 'Neoverse-N2',
    '0xd4d': 'Cortex-A715',
    '0xd4e': 'Cortex-X3',
    '0xd4f': 'Neoverse-V2',
    '0xd80': 'Cortex-A520',
    '0xd81': 'Cortex-A720',
    '0xd8e': 'Neoverse-N3',
  },
  '0xc0': { '0xac3': 'Ampere-1', '0xac4': 'Ampere-1a' },
};

/** "Cortex-A55 + Cortex-A76" where cores differ; null when one is not known. */
export function armCores(cpuinfo: string): string | null {
  const maker = /^CPU implementer\s*:\s*(\S+)/m.exec(cpuinfo)?.[1]?.toLowerCase();
  const known = maker === undefined ? undefined : PARTS[maker];
  if (!known) return null;
  const parts = new Set([...cpuinfo.matchAll(/^CPU part\s*:\s*(\S+)/gm)].map((m) => m[1]?.toLowerCase() ?? ''));
  const names = [...parts].map((p) => known[p]);
  return names.length > 0 && names.every((n) => n !== undefined) ? names.join(' + ') : null;
}
