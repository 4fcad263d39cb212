/** The tools that the conformance suite calls by name and that ask nobody anything. What each must answer is said by its scenario. */
import type { CallToolResult, InputRequiredResult, ServerContext, Tool } from '@modelcontextprotocol/server';

export interface FixtureTool {
  description: string;
  input?: Tool['inputSchema'];
  run(args: Record<string, unknown>, ctx: ServerContext): Answer | Promise<Answer>;
}
type Answer = CallToolResult | InputRequiredResult;

export const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] });

/** One red pixel. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** One sample of silence. */
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' };
const resource = (uri: string, mimeType: string, value: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType, text: value },
});

async function counts({ mcpReq }: ServerContext): Promise<CallToolResult> {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken !== undefined)
    for (const progress of [0, 50, 100])
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
  return text(String(progressToken));
}

const STEPS = ['Tool execution started', 'Tool processing data', 'Tool execution completed'];
async function logs({ mcpReq }: ServerContext): Promise<CallToolResult> {
  for (const step of STEPS) await mcpReq.log('info', step);
  return text('logged');
}

const { $schema, ...root } = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object' as const,
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

/** `change`: tells the subscribers that a list changed. */
export const plainTools = (change: (list: 'tools' | 'prompts') => void): Record<string, FixtureTool> => ({
  test_simple_text: {
    description: 'Text',
    run: () => text('This is a simple text response for testing.'),
  },
  test_image_content: { description: 'An image', run: () => ({ content: [image] }) },
  test_audio_content: {
    description: 'Sound',
    run: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  },
  test_embedded_resource: {
    description: 'A resource within the answer',
    run: () => ({
      content: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
    }),
  },
  test_multiple_content_types: {
    description: 'Text, an image and a resource',
    run: () => ({
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        image,
        resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
      ],
    }),
  },
  test_error_handling: {
    description: 'Always fails',
    run: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
  },
  test_tool_with_progress: { description: 'Reports progress', run: (_, ctx) => counts(ctx) },
  test_tool_with_logging: { description: 'Sends log messages', run: (_, ctx) => logs(ctx) },
  test_logging_tool: { description: 'Sends log messages to whoever asked for them', run: (_, ctx) => logs(ctx) },
  test_trigger_tool_change: {
    description: 'Says that the list of tools changed',
    run() {
      change('tools');
      return text('changed');
    },
  },
  test_trigger_prompt_change: {
    description: 'Says that the list of prompts changed',
    run() {
      change('prompts');
      return text('changed');
    },
  },
  json_schema_2020_12_tool: {
    description: 'Has a schema with much of JSON Schema 2020-12 in it',
    input: { $schema, ...root },
    run: (args) => text(JSON.stringify(args)),
  },
});
