/** How the owner writes networks. Decides only the spelling; what they open or close is insight/probe_rules.ts's. */
import * as z from 'zod';
import { parsePrefix } from '../core/ip.ts';

export const PREFIX_EXPECTS = 'networks such as 192.168.1.0/24 or fd00::/8, or single addresses';
export const PrefixText = z
  .string()
  .max(64)
  .refine((text) => parsePrefix(text) !== null, 'expected a network such as 192.168.1.0/24 or an address');
