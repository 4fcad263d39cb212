/**
 * The tools of the conformance suite that need something from the client. Each is written once, as the 2026 revision wants it: it
 * returns what it needs and is called again with the answers. In 2025-era sessions the SDK makes real requests of the same.
 */
import {
  acceptedContent,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createRequestStateCodec,
  type InputRequest,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { type FixtureTool, text } from './fixture_tools.ts';

/** What a tool remembers between its rounds. */
interface State {
  step: number;
}
export const state = createRequestStateCodec<State>({ key: crypto.getRandomValues(new Uint8Array(32)) });

type Properties = Record<string, { type: string; [keyword: string]: unknown }>;

const form = (message: string, properties: Properties, required = Object.keys(properties)): InputRequest =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties, required } as never,
  });
const sampling = (prompt: string): InputRequest =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens: 100,
  });

const STRING = { type: 'string' };
const askName = () => form('What is your name?', { name: STRING });

/** Asks until there is an answer of the right kind under each key; then says what was answered. */
function asks(
  description: string,
  questions: (args: Record<string, unknown>) => Record<string, InputRequest>,
  keep = false,
): FixtureTool {
  return {
    description,
    async run(args, { mcpReq }) {
      const inputRequests = questions(args);
      const answers = Object.keys(inputRequests).map((key) => inputResponse(mcpReq.inputResponses, key));
      if (answers.some((a) => a.kind === 'missing'))
        return inputRequired({ inputRequests, ...(keep ? { requestState: await state.mint({ step: 1 }) } : {}) });
      if (keep && mcpReq.requestState<State>()?.step !== 1) return { ...text('The state is not mine.'), isError: true };
      return text(`answered, ${keep ? 'state-ok, ' : ''}${JSON.stringify(answers)}`);
    },
  };
}

async function twoRounds(ctx: ServerContext): Promise<CallToolResult | InputRequiredResult> {
  const { inputResponses, requestState } = ctx.mcpReq;
  const step = requestState<State>()?.step;
  if (step === 2 && acceptedContent(inputResponses, 'step2')) return text('both answered');
  if (step === 1 && acceptedContent(inputResponses, 'step1'))
    return inputRequired({
      inputRequests: { step2: form('Step 2: What is your favorite color?', { color: STRING }) },
      requestState: await state.mint({ step: 2 }),
    });
  return inputRequired({
    inputRequests: { step1: form('Step 1: What is your name?', { name: STRING }) },
    requestState: await state.mint({ step: 1 }),
  });
}

/** Asks in the way that this client says it can be asked. */
function asPossible({ mcpReq }: ServerContext): CallToolResult | InputRequiredResult {
  const said = mcpReq.envelope as Record<string, unknown> | undefined;
  const can = said?.[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  const inputRequests = {
    ...(can?.sampling ? { thought: sampling('Say something.') } : {}),
    ...(can?.elicitation ? { confirm: form('Please confirm', { ok: { type: 'boolean' } }) } : {}),
  };
  return Object.keys(inputRequests).length > 0
    ? inputRequired({ inputRequests })
    : text('This client cannot be asked.');
}

const options = (...names: string[]) => names.map((title, i) => ({ const: `value${i + 1}`, title }));
const THREE = ['option1', 'option2', 'option3'];

const DEFAULTS: Properties = {
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
};
const ENUMS: Properties = {
  untitledSingle: { type: 'string', enum: THREE },
  titledSingle: { type: 'string', oneOf: options('First Option', 'Second Option', 'Third Option') },
  legacyEnum: {
    type: 'string',
    enum: ['opt1', 'opt2', 'opt3'],
    enumNames: ['Option One', 'Option Two', 'Option Three'],
  },
  untitledMulti: { type: 'array', items: { type: 'string', enum: THREE } },
  titledMulti: { type: 'array', items: { anyOf: options('First Choice', 'Second Choice', 'Third Choice') } },
};

const oneString = (name: string) => ({
  type: 'object' as const,
  properties: { [name]: STRING },
  required: [name],
});

export const askContext = (): InputRequest => form('What context should the prompt use?', { context: STRING });

export const askingTools: Record<string, FixtureTool> = {
  test_sampling: {
    ...asks('Has the client think', ({ prompt }) => ({ thought: sampling(String(prompt)) })),
    input: oneString('prompt'),
  },
  test_elicitation: {
    ...asks('Asks the user', ({ message }) => ({ who: form(String(message), { username: STRING, email: STRING }) })),
    input: oneString('message'),
  },
  test_elicitation_sep1034_defaults: asks('Asks with defaults', () => ({ all: form('Defaults', DEFAULTS, []) })),
  test_elicitation_sep1330_enums: asks('Asks to choose', () => ({ all: form('Choices', ENUMS, []) })),
  test_missing_capability: asks('Needs sampling', () => ({ thought: sampling('Anything') })),
  test_streaming_elicitation: asks('Asks the user', () => ({ user_name: askName() })),
  test_input_required_result_elicitation: asks('Asks the user', () => ({ user_name: askName() })),
  test_input_required_result_sampling: asks('Has the client think', () => ({
    capital_question: sampling('What is the capital of France?'),
  })),
  test_input_required_result_list_roots: asks('Asks for roots', () => ({ client_roots: inputRequired.listRoots() })),
  test_input_required_result_request_state: asks(
    'Remembers something between two rounds',
    () => ({ confirm: form('Please confirm', { ok: { type: 'boolean' } }) }),
    true,
  ),
  test_input_required_result_tampered_state: asks(
    'Remembers something that nobody may change',
    () => ({ confirm: form('Please confirm', { ok: { type: 'boolean' } }) }),
    true,
  ),
  test_input_required_result_multiple_inputs: asks(
    'Asks three things at once',
    () => ({
      user_name: askName(),
      greeting: sampling('Generate a greeting'),
      client_roots: inputRequired.listRoots(),
    }),
    true,
  ),
  test_input_required_result_multi_round: { description: 'Asks twice', run: (_, ctx) => twoRounds(ctx) },
  test_input_required_result_capabilities: { description: 'Asks as it can', run: (_, ctx) => asPossible(ctx) },
};
