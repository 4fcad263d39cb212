/**
 * How the owner writes rules for changes: who, with which tool, on what, and what happens then. Decides what a rule may say at all;
 * which rule counts for a call is policy's to say. A rule that can never match is refused here, because a `deny` with a slip in it
 * would guard nothing and look as if it did.
 */
import * as z from 'zod';

const PRINCIPAL = /^(\*|(token|stdio|cli|jwt|tailnet):[^\p{Cc}]{1,200})$/u;
const TOOL = /^[a-z0-9_*]{1,64}$/;
const TARGET = /^(\*|(process|container|image|stack|unit|path|address|\*):[^\p{Cc}]{1,4096})$/u;

const like = (pattern: RegExp, expects: string) =>
  z.string().max(5_000).regex(pattern, `expected ${expects}`).optional();

export const Rule = z
  .strictObject({
    principal: like(
      PRINCIPAL,
      'a principal such as token:laptop, stdio:1000, jwt:home:*, tailnet:alice@example.com or cli:*, or *',
    ),
    tool: like(TOOL, 'the name of a tool, in which * stands for any letters'),
    risk: z.enum(['change', 'destroy']).optional(),
    target: like(TARGET, 'kind:name such as unit:nginx.service, container:* or path:/srv/*'),
    decide: z.enum(['allow', 'ask', 'deny']),
  })
  .refine((rule) => rule.decide !== 'allow' || rule.risk !== 'destroy', {
    path: ['decide'],
    message: 'what destroys is never allowed by a rule: expected ask or deny',
  });

export const RULES_EXAMPLE = `- {tool: process_signal, target: "process:*", principal: "token:ops", decide: allow}
- {target: "unit:ssh*", decide: deny}
- {principal: "stdio:*", risk: destroy, decide: deny}`;
