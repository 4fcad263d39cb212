import { encode } from 'gpt-tokenizer';
import { describe, expect, it } from 'vitest';
import { compileForeign, fence, shape } from '../../src/core/foreign.ts';
import { listed } from '../../src/edge/listing.ts';
import { catalog } from '../../src/tools/index.ts';
import { processList } from '../../src/tools/process_list.ts';
import { systemOverview } from '../../src/tools/system_overview.ts';
import { context, view } from './context.ts';

const nothing = { text: (s: string) => s, deep: <T>(v: T) => v };

describe('the tools of this issue', () => {
  it('are in the order clients see them; what is rare or changes the host is not in core', () => {
    expect(catalog.tools.map((t) => [t.name, t.toolset, t.core])).toEqual([
      ['system_overview', 'system', true],
      ['system_metrics', 'system', true],
      ['process_list', 'system', true],
      ['process_signal', 'system', false],
      ['system_hardware', 'system', false],
      ['container_list', 'docker', true],
      ['container_inspect', 'docker', true],
      ['image_list', 'docker', false],
      ['docker_system', 'docker', false],
      ['stack_list', 'docker', false],
      ['container_control', 'docker', true],
      ['container_update', 'docker', true],
      ['container_remove', 'docker', false],
      ['image_pull', 'docker', false],
      ['image_remove', 'docker', false],
      ['stack_apply', 'docker', false],
      ['log_query', 'logs', true],
      ['log_digest', 'logs', true],
      ['service_list', 'services', true],
      ['service_status', 'services', true],
      ['service_control', 'services', true],
      ['file_list', 'files', true],
      ['file_read', 'files', true],
      ['file_search', 'files', true],
      ['file_download', 'files', false],
      ['file_write', 'files', false],
      ['file_edit', 'files', true],
      ['file_move', 'files', false],
      ['file_delete', 'files', false],
      ['file_upload', 'files', false],
      ['net_overview', 'net', true],
      ['net_probe', 'net', true],
      ['net_connections', 'net', false],
      ['net_bandwidth', 'net', false],
      ['tailnet_status', 'tailnet', false],
      ['diagnose', 'triage', true],
      ['result_query', 'triage', true],
      ['undo', 'triage', true],
      ['audit_search', 'triage', false],
    ]);
  });

  it('of core leave room: the 21 that are planned have 4,000 tokens', () => {
    const core = catalog.tools.filter((t) => t.core);
    const costs = core.map(
      (t) =>
        encode(JSON.stringify({ name: t.name, description: t.description, inputSchema: listed(t).inputSchema })).length,
    );
    expect(costs.reduce((a, b) => a + b)).toBeLessThanOrEqual(costs.length * 225);
  });

  it('mark as foreign every name that others can choose', () => {
    const foreignPaths = (tool: typeof systemOverview, data: unknown) =>
      shape(data, compileForeign(tool.output), nothing).paths.toSorted();
    const overview = {
      filesystems: [{ mount: 'm' }],
      topCpu: [{ name: 'n' }],
      topMemory: [{ name: 'n' }],
      findings: [{ evidence: 'e', sentence: 's', next: 'n' }],
    };
    expect(foreignPaths(systemOverview, overview)).toEqual([
      'filesystems[].mount',
      'findings[].evidence',
      'topCpu[].name',
      'topMemory[].name',
    ]);
    expect(foreignPaths(processList, { processes: [{ name: 'n', command: 'c', user: 'u' }] })).toEqual([
      'processes[].command',
      'processes[].name',
    ]);
  });

  it('puts what others chose behind one fence in the overview, and none of our advice', async () => {
    const raw = systemOverview.output.parse(await systemOverview.handler?.({}, context()));
    const compiled = compileForeign(systemOverview.output);
    const { marked } = shape(raw, compiled, nothing);
    const text = fence(systemOverview.text(marked as never, view), 'abcd1234', compiled.sources);
    expect(text.match(/⟦untrusted abcd1234/g)).toHaveLength(1);
    const outside = text.replace(/⟦untrusted[\s\S]*⟦\/untrusted abcd1234⟧/, '');
    expect(outside).toContain('fake: no findings.');
    expect(outside).not.toContain('crunch');
    expect(encode(text).length).toBeLessThanOrEqual(700);
  });
});
