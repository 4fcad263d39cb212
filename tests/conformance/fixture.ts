/**
 * The server that the conformance suite expects to find: its tools, prompts and resources by name, on the SDK's low-level `Server`, as
 * the product's own. It takes the product's place behind the product's HTTP stack, so that what is tested is the stack.
 */
import {
  acceptedContent,
  type GetPromptResult,
  InMemoryServerEventBus,
  type InputRequiredResult,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  ResourceNotFoundError,
  Server,
} from '@modelcontextprotocol/server';
import { behind } from '../../src/edge/behind.ts';
import type { Served } from '../../src/edge/mcp_http.ts';
import { askContext, askingTools, state } from './fixture_asking.ts';
import { type FixtureTool, PNG, plainTools } from './fixture_tools.ts';

const bus = new InMemoryServerEventBus();
const tools: Record<string, FixtureTool> = {
  ...plainTools((list) => bus.publish({ kind: `${list}_list_changed` })),
  ...askingTools,
};
const listed = Object.entries(tools).map(([name, { description, input }]) => ({
  name,
  description,
  inputSchema: input ?? { type: 'object' as const, properties: {} },
}));

const RESOURCES = [
  { uri: 'test://static-text', name: 'static-text', description: 'Text', mimeType: 'text/plain' },
  { uri: 'test://static-binary', name: 'static-binary', description: 'An image', mimeType: 'image/png' },
  { uri: 'test://watched-resource', name: 'watched-resource', description: 'Text', mimeType: 'text/plain' },
];
const TEMPLATE = {
  uriTemplate: 'test://template/{id}/data',
  name: 'template',
  description: 'Data of an id',
  mimeType: 'application/json',
};

function read(uri: string): ReadResourceResult {
  const known = RESOURCES.find((r) => r.uri === uri);
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id) {
    const json = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
    return { contents: [{ uri, mimeType: 'application/json', text: json }] };
  }
  if (!known) throw new ResourceNotFoundError(uri);
  const { mimeType } = known;
  return {
    contents: [mimeType === 'image/png' ? { uri, mimeType, blob: PNG } : { uri, mimeType, text: `Text of ${uri}` }],
  };
}

const required = (...names: string[]) => names.map((name) => ({ name, description: `The ${name}`, required: true }));
const PROMPTS = [
  { name: 'test_simple_prompt', description: 'Text' },
  { name: 'test_prompt_with_arguments', description: 'Text with arguments', arguments: required('arg1', 'arg2') },
  { name: 'test_prompt_with_embedded_resource', description: 'A resource', arguments: required('resourceUri') },
  { name: 'test_prompt_with_image', description: 'An image' },
  { name: 'test_input_required_result_prompt', description: 'Asks for its context' },
];

type Content = GetPromptResult['messages'][number]['content'];
const say = (content: Content): GetPromptResult => ({ messages: [{ role: 'user', content }] });

function prompt(
  name: string,
  args: Record<string, string>,
  answers: Record<string, unknown> | undefined,
): GetPromptResult | InputRequiredResult {
  switch (name) {
    case 'test_simple_prompt':
      return say({ type: 'text', text: 'This is a simple prompt for testing.' });
    case 'test_prompt_with_arguments':
      return say({ type: 'text', text: `Prompt with arguments: arg1='${args.arg1}', arg2='${args.arg2}'` });
    case 'test_prompt_with_embedded_resource': {
      const uri = args.resourceUri ?? '';
      return say({ type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content.' } });
    }
    case 'test_prompt_with_image':
      return say({ type: 'image', data: PNG, mimeType: 'image/png' });
    case 'test_input_required_result_prompt': {
      const given = acceptedContent<{ context: string }>(answers, 'user_context');
      if (!given) return inputRequired({ inputRequests: { user_context: askContext() } });
      return say({ type: 'text', text: `Context: ${given.context}` });
    }
    default:
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `No prompt ${name}`);
  }
}

function factory(): Server {
  const server = new Server(
    { name: 'conformance-fixture', version: '1' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: state.verify },
    },
  );
  server.setRequestHandler('tools/list', () => ({ tools: listed }));
  server.setRequestHandler('tools/call', async ({ params }, ctx) => {
    const tool = tools[params.name];
    if (!tool) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `No tool ${params.name}`);
    return tool.run(params.arguments ?? {}, ctx);
  });
  server.setRequestHandler('resources/list', () => ({ resources: RESOURCES }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [TEMPLATE] }));
  server.setRequestHandler('resources/read', ({ params }) => read(params.uri));
  server.setRequestHandler('resources/subscribe', () => ({}));
  server.setRequestHandler('resources/unsubscribe', () => ({}));
  server.setRequestHandler('prompts/list', () => ({ prompts: PROMPTS }));
  server.setRequestHandler('prompts/get', ({ params }, ctx) =>
    prompt(params.name, params.arguments ?? {}, ctx.mcpReq.inputResponses),
  );
  server.setRequestHandler('completion/complete', () => ({ completion: { values: [], total: 0, hasMore: false } }));
  return server;
}

/** What the product does not have, and the suite asks for. */
const MORE = new Set([
  'logging/setLevel',
  'completion/complete',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'prompts/list',
  'prompts/get',
]);
const NOTHING = { tools: [], resources: [], prompts: [] };

export const fixture: Served = {
  factory,
  bus,
  behind(method, params, modern) {
    // The product's own judgement of everything that both have: shapes, and methods that do not exist.
    const target = behind(method, params, NOTHING, modern);
    const ours = MORE.has(method) || target.kind === 'call';
    return ours ? { kind: 'other', what: method } : target;
  },
};
