import {
  generating,
  generations,
  instants,
  long,
  owned,
  secret,
  training,
  trainings,
  type Case,
} from '../support/broken-rules';
import { Client, creations, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { transports, type GraphQLFault } from '../support/graphql-client';
import { literals, mixed, wrongPrompts, wrongTypes } from '../support/wrong-types';

let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, REQUIRE_CONSENT: '2026-01' });
  client = await Client.of(gateway);
  owned.photoIds = await client.upload();
  owned.readyId = await train();
  await client.becomes('model', owned.readyId, 'READY');
  await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
  owned.modelId = await train();
});

async function train(): Promise<string> {
  const { trainModel } = await client.request<{ trainModel: { model: { id: string } } }>(
    creations.trainModel,
    { input: training({})() },
  );
  return trainModel.model.id;
}

afterAll(async () => {
  client.close();
  await gateway.stop();
});

interface Problem {
  code: string;
  path: (string | number)[];
  message: string;
}

const problemsOf = ({ extensions }: GraphQLFault): Problem[] => extensions.problems as Problem[];

const problemAt = (path: string): Problem =>
  expect.objectContaining({
    path: path.split('.').map((key) => (/^\d+$/.test(key) ? Number(key) : key)),
    code: expect.stringMatching(/^[A-Z_]+$/) as string,
    message: expect.stringMatching(/\w{4,}.*\.$/) as string,
  }) as Problem;

type Row = [title: string, query: string, variables: () => object, paths: string[]];

const rowsOf = (mutation: keyof typeof creations, cases: readonly Case[]): Row[] =>
  cases.map(([mistakes, input, ...paths]) => [
    `${mutation}: ${mistakes}`,
    creations[mutation],
    () => ({ input: input() }),
    paths,
  ]);

const inputs: Row[] = [
  ...rowsOf('trainModel', [...trainings, ...wrongTypes]),
  ...rowsOf('generateAvatars', [...generations, ...wrongPrompts]),
  ...rowsOf('generateInstantAvatars', instants),
  ...literals.map(([query, ...paths]): Row => [query, query, () => ({}), paths]),
  ...mixed.map(([query, variables, ...paths]): Row => [query, query, () => variables, paths]),
];

describe('an input with three mistakes', () => {
  it('is tried in 50 forms', () => {
    expect(inputs.length).toBeGreaterThanOrEqual(50);
  });

  it.each(inputs)('is answered with the paths of all three: %s', async (_title, query, variables, paths) => {
    const operation = { query, variables: variables() };
    for (const transport of transports) {
      if (transport === 'HTTP' && query.startsWith('subscription')) continue;
      const { errors } = await client.execute(transport, operation);
      expect(errors).toHaveLength(1);
      const problems = problemsOf(errors![0]!);
      expect(problems).toHaveLength(3);
      expect(problems).toEqual(expect.arrayContaining(paths.map(problemAt)));
      expect(errors![0]!.extensions.code).toBe(problems[0]!.code);
      expect(errors![0]!.message).toMatch(/ There are 2 other problems, listed in `extensions\.problems`\.$/);
      expect(JSON.stringify(errors)).not.toContain(secret);
    }
  });
});

describe('the problems of an input', () => {
  it('are those of types, before any rule is checked', async () => {
    const refusal = await client.refusal(creations.trainModel, {
      input: { type: 'CAT', name: '', photos: 5.5 },
    });
    expect(problemsOf(refusal)).toEqual([problemAt('input.photos')]);
  });

  it.each([
    [
      'broken rules',
      creations.generateAvatars,
      generating(Array.from({ length: 20 }, () => ({ style: 'a', prompt: long, count: 0 }))),
      'There are 49 other problems',
    ],
    [
      'wrong types',
      creations.trainModel,
      training({ photos: Array.from({ length: 90 }, () => ({ url: secret })) }),
      'There are 49 other problems',
    ],
  ])('are at most 50: %s', async (_, query, input, others) => {
    const { message, extensions } = await client.refusal(query, { input: input() });
    expect(extensions.code).toBe('INVALID_INPUT');
    expect(extensions.problems).toHaveLength(50);
    expect(message).toContain(others);
  });

  it('name a single one without a count', async () => {
    const refusal = await client.refusal('{ model(id: 1.5) { id } }');
    expect(refusal.message).not.toContain('other problem');
    expect(problemsOf(refusal)).toEqual([{ code: 'INVALID_INPUT', path: ['id'], message: refusal.message }]);
  });
});
