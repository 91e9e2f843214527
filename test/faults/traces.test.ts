import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { startTracing } from '../../src/app/tracing';
import { DomainError } from '../../src/core/errors';
import { createLogger } from '../../src/core/logger';
import { Shutdown } from '../../src/core/shutdown';
import { traced } from '../../src/core/tracing';
import { tracedJob } from '../../src/jobs/job-traces';
import type { JobRow } from '../../src/jobs/job.kind';
import { readConfig } from '../../src/read-config';
import { uuidOf } from '../support/client';
import { FaultsEnvironment } from '../support/faults-environment';
import { SocketClient } from '../support/raw-client';
import { TraceReceiver, type SpanRecord } from '../support/trace-receiver';
import { eventually } from '../support/until';

const promptText = 'wearing-a-purple-hat-in-the-snow';
const caller = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

describe('traces', () => {
  const receiver = new TraceReceiver();
  let environment: FaultsEnvironment;
  beforeAll(async () => {
    const settings = {
      OTEL_EXPORTER_OTLP_ENDPOINT: await receiver.start(),
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20receiver-secret',
    };
    environment = await FaultsEnvironment.open({ settings, maxFollowed: 0 });
  });
  afterAll(async () => {
    await environment.stop();
    await receiver.stop();
  });

  it('join a mutation of a caller with its SQL, the paid call, the polls and the events', async () => {
    const { client, gateway } = environment;
    const modelId = await client.trained(await client.upload(5));
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        traceparent: `00-${caller.traceId}-${caller.spanId}-01`,
      },
      body: JSON.stringify({
        query: `mutation ($id: ID!) { generateAvatars(input: { modelId: $id, prompts: [{ prompt: "${promptText}" }] }) { generation { id } } }`,
        variables: { id: modelId },
      }),
    });
    const { data } = (await response.json()) as { data: { generateAvatars: { generation: { id: string } } } };
    const { id } = data.generateAvatars.generation;
    await client.generationEnd(id);
    const ofTrace = (): SpanRecord[] => receiver.spans.filter(({ traceId }) => traceId === caller.traceId);
    const spans = await eventually(
      'the trace',
      async () => ofTrace(),
      (found) =>
        ['POST /graphql', 'upstream generate', 'upstream generation', 'append event GENERATION'].every(
          (name) => found.some((span) => span.name === name),
        ),
    );
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const pathOf = (name: string): string[] => {
      const path: string[] = [];
      let span = spans.find((one) => one.name === name);
      for (; span; span = byId.get(span.parentSpanId ?? '')) path.unshift(span.name);
      return path;
    };
    expect(spans.find(({ name }) => name === 'POST /graphql')!.parentSpanId).toBe(caller.spanId);
    expect(pathOf('upstream generate')).toEqual([
      'POST /graphql',
      'graphql.execute',
      'submit generation',
      'upstream generate',
    ]);
    const statement = pathOf('sql INSERT generations');
    expect(statement.slice(0, 2)).toEqual(['POST /graphql', 'graphql.execute']);
    const submitted = spans.find(({ name }) => name === 'submit generation')!;
    expect(submitted.attributes).toContainEqual({ key: 'likeness.job_id', value: { stringValue: id } });
    // The line of the request has the trace.
    expect(
      gateway.log.filter((line) => line.msg === 'request' && line.traceId === caller.traceId),
    ).toHaveLength(1);
  });

  it('continue the trace of a client over WebSocket, of a message or of its socket', async () => {
    const of = (digit: string): string => `00-${digit.repeat(32)}-${caller.spanId}-01`;
    const socket = await SocketClient.greeted(environment.url, { traceparent: of('a') });
    const operate = (id: string, query: string, traceparent?: unknown): Promise<unknown> => {
      socket.send({ type: 'subscribe', id, payload: { query, extensions: { traceparent } } });
      return socket.ended(id);
    };
    await operate('1', '{ viewer { owner } }');
    await operate('2', '{ viewer { owner } }', of('b'));
    const malformed = ['x', { a: 1 }, `${of('d')}0`, of('g')];
    for (const [index, traceparent] of malformed.entries())
      await operate(`malformed ${index}`, '{ viewer { owner } }', traceparent);
    await operate('3', 'subscription { trainingProgress(modelId: "x") { cursor } }', of('c'));
    socket.socket.close();
    const namesOf = (digit: string): string[] =>
      receiver.spans
        .filter(({ traceId, parentSpanId }) => traceId === digit.repeat(32) && parentSpanId === caller.spanId)
        .map(({ name }) => name);
    await eventually(
      'the spans',
      async () => namesOf('c'),
      (names) => names.includes('websocket subscription'),
    );
    expect(namesOf('b')).toEqual(['websocket operation']);
    // Also the operations whose own traceparent is not usable.
    expect(namesOf('a').length).toBeGreaterThan(1);
    expect(receiver.text).not.toContain('d'.repeat(32));
  });

  it('contain no prompt, signature, key, owner or name that a client has chosen', async () => {
    const from = receiver.spans.length;
    await environment.client.execute('WebSocket', {
      query: 'query SecretName { secretAlias: viewer { owner } }',
    });
    await fetch(`${environment.url}/media/photos/secret-path.jpg?signature=secret-signature`);
    await fetch(`${environment.url}/secret-unknown-path`);
    await eventually(
      'the spans',
      async () => receiver.spans.slice(from).map(({ name }) => name),
      (names) => names.includes('websocket operation') && names.includes('GET unknown'),
    );
    // Work that belongs to no request or job is not recorded.
    const roots = new Set(receiver.spans.flatMap(({ name, parentSpanId }) => (parentSpanId ? [] : [name])));
    expect([...roots].filter((name) => name.startsWith('sql '))).toEqual([]);
    for (const secret of [promptText, 'ecret', environment.sandbox.apiKey, '"local"', '?', 'signature'])
      expect([secret, receiver.text.includes(secret)]).toEqual([secret, false]);
    expect(receiver.authorizations).toEqual(new Set(['Bearer receiver-secret']));
    expect(JSON.stringify(environment.gateway.log)).not.toContain('receiver-secret');
  });

  it('link a mutation to one trace of the work of other processes, which the id of the job names', async () => {
    const last = 'e'.repeat(32);
    await fetch(`${environment.url}/healthz`, { headers: { traceparent: `00-${last}-${caller.spanId}-01` } });
    await environment.gateway.stop();
    // What was not sent yet is sent at the stop.
    expect(receiver.spans.filter((span) => span.traceId === last)).toHaveLength(1);
    await environment.sandbox.fault({ on: 'model', kind: 'status', status: 500 });
    await environment.restartGateway(0, { ROLE: 'api' });
    await environment.addGateway({ ROLE: 'worker' });
    const id = await environment.client.trained(await environment.client.upload(5));
    const traceId = uuidOf(id).replaceAll('-', '');
    const names = await eventually(
      'the trace',
      async () => receiver.spans.filter((span) => span.traceId === traceId).map(({ name }) => name),
      (found) => ['submit model', 'upstream train', 'poll model'].every((name) => found.includes(name)),
    );
    expect(names).not.toContain('POST /graphql');
    const failed = (span: SpanRecord): boolean => span.attributes.some(({ key }) => key === 'error.type');
    const failures = receiver.spans.filter((span) => span.traceId === traceId && failed(span));
    const [failure] = failures.filter(({ name }) => name === 'upstream training');
    expect(failure?.attributes).toContainEqual({ key: 'error.type', value: { stringValue: 'UNKNOWN' } });
    await eventually(
      'the link',
      async () => receiver.spans.filter(({ links }) => links?.some((link) => link.traceId === traceId)),
      (linked) => linked.length === 1,
    );
  });

  it('record the share of the operator also of traces with ids that clients have chosen, and no text of theirs', async () => {
    await environment.gateway.kill();
    await environment.restartGateway(0, { ROLE: 'api', OTEL_TRACES_SAMPLER_ARG: '0.5' });
    // An id that a share of any size includes.
    const traceId = `${'0'.repeat(31)}1`;
    const ask = (name: string, flags: string, id = traceId): Promise<unknown> =>
      fetch(`${environment.url}/${name}`, {
        headers: { traceparent: `00-${id}-${caller.spanId}-${flags}`, 'x-request-id': 'anna-from-berlin' },
      });
    const count = 60;
    const excluded = '5'.repeat(32);
    await ask('excluded', '00', excluded);
    for (let request = 0; request < count; request += 1) await ask('included', '01');
    const recorded = (id: string): number => receiver.spans.filter((span) => span.traceId === id).length;
    const last = `${'0'.repeat(31)}2`;
    // Spans are sent in their order.
    await eventually(
      'the last span',
      async () => {
        await ask('last', '01', last);
        return recorded(last);
      },
      (spans) => spans > 0,
    );
    expect(recorded(traceId)).toBeGreaterThan(0);
    expect(recorded(traceId)).toBeLessThan(count);
    expect(recorded(excluded)).toBe(0);
    expect(receiver.text).not.toContain('berlin');
    expect(receiver.text).toContain('likeness.request_id');
  });

  it('are dropped while the receiver is down, which is logged once', async () => {
    await receiver.stop();
    const ask = (): Promise<unknown> => environment.client.execute('HTTP', { query: '{ viewer { owner } }' });
    const message = 'traces cannot be sent; spans are dropped meanwhile';
    const lines = (): unknown[] => environment.gateway.log.filter(({ msg }) => msg === message);
    for (let request = 0; request < 100; request += 1) await ask();
    await eventually(
      'the line',
      async () => lines().length,
      (count) => count > 0,
    );
    expect(await ask()).toMatchObject({ data: { viewer: { owner: 'local' } } });
    expect(lines()).toHaveLength(1);
  });

  it('delay neither requests nor the stop of a process whose receiver hangs, never ends its answer, or refuses', async () => {
    const codes = await Promise.all(
      (['hangs', 'drips', 'refuses'] as const).map(async (fault) => {
        const broken = new TraceReceiver(fault);
        const gateway = await environment.addGateway({
          ROLE: 'api',
          OTEL_EXPORTER_OTLP_ENDPOINT: await broken.start(),
        });
        try {
          const ask = async (): Promise<number> => (await fetch(`${gateway.url}/healthz`)).status;
          expect(await ask()).toBe(200);
          await eventually(
            'a batch of spans',
            async () => broken.requests,
            (requests) => requests > 0,
          );
          // With the others, spans still have to be sent at the stop.
          const after = fault === 'drips' ? 0 : 20;
          for (let request = 0; request < after; request += 1) expect(await ask()).toBe(200);
          await gateway.stop();
          return [fault, await gateway.exitCode()];
        } finally {
          await broken.stop();
        }
      }),
    );
    expect(codes).toEqual([
      ['hangs', 0],
      ['drips', 0],
      ['refuses', 0],
    ]);
  });
});

describe('an exported span', () => {
  afterEach(() => jest.restoreAllMocks());

  /** The spans that this process exports of some work. */
  async function spansOf(work: () => void, share = '1'): Promise<ReadableSpan[]> {
    const exported: ReadableSpan[] = [];
    // Jest refuses the import() by which the exporter loads its HTTP client.
    jest.spyOn(OTLPTraceExporter.prototype, 'export').mockImplementation((spans, done) => {
      exported.push(...spans);
      done({ code: 0 });
    });
    const logger = createLogger('silent');
    const shutdown = new Shutdown(logger);
    const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_TRACES_SAMPLER_ARG: share };
    await startTracing({ config: readConfig(settings), logger, shutdown });
    work();
    await shutdown.stop();
    return exported;
  }

  it('has a code for an error, never its message, and values of at most 200 characters', async () => {
    const failing = (name: string, error: Error, code?: string): void => {
      const work = (): unknown =>
        traced(
          name,
          {},
          (span) => {
            span.set({ text: 'x'.repeat(201) });
            if (code !== undefined) span.fail(code);
            throw error;
          },
          { parent: null },
        );
      expect(work).toThrow(error);
    };
    const spans = await spansOf(() => {
      failing('of input', new DomainError('NOT_FOUND', promptText));
      failing('unexpected', new Error(promptText));
      failing('with a code of its own', new Error(promptText), 'UPSTREAM_REJECTED');
    });
    const seen = spans.map(({ name, attributes, status }) => [
      ...[name, attributes['error.type'], String(attributes.text).length, status.message],
    ]);
    expect(seen).toEqual([
      ['of input', 'NOT_FOUND', 200, undefined],
      ['unexpected', 'INTERNAL_SERVER_ERROR', 200, undefined],
      ['with a code of its own', 'UPSTREAM_REJECTED', 200, undefined],
    ]);
  });

  it('of a job is recorded by the share of the operator, for the same jobs in every process', async () => {
    const ids = Array.from('0123456789abcdef', (digit) => `${digit}0000000-0000-4000-8000-000000000000`);
    const recorded = async (share: string): Promise<string[]> => {
      const work = (): void => {
        for (const id of ids)
          tracedJob('poll', { node: 'AvatarModel' }, { id, attempt: 1 } as JobRow, () => null);
      };
      return (await spansOf(work, share)).map((span) => span.spanContext().traceId);
    };
    const half = await recorded('0.5');
    expect(half).toHaveLength(ids.length / 2);
    expect(await recorded('0.5')).toEqual(half);
    expect(await recorded('0')).toEqual([]);
    expect(await recorded('1')).toEqual(ids.map((id) => id.replaceAll('-', '')));
  });
});
