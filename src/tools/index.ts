/** The catalog, in the order clients see it. A tool that is not here does not exist. */
import type { Catalog } from '../core/tool.ts';
import { processList } from './process_list.ts';
import { resultQuery } from './result_query.ts';
import { systemMetrics } from './system_metrics.ts';
import { systemOverview } from './system_overview.ts';

export const catalog: Catalog = {
  tools: [systemOverview, systemMetrics, processList, resultQuery],
  resources: [],
  prompts: [],
};
