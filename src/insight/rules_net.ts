/** The findings on the network's state, together: the rows are in the three files. */
import type { Rule } from './facts.ts';
import type { NetFacts } from './net_facts.ts';
import { NET_LINKS } from './rules_net_links.ts';
import { NET_ROUTES } from './rules_net_routes.ts';
import { NET_SERVICES } from './rules_net_services.ts';

export const NET_RULES: readonly Rule<NetFacts>[] = [...NET_LINKS, ...NET_ROUTES, ...NET_SERVICES];
