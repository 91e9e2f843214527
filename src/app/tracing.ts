import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type * as Api from '@opentelemetry/api';
import type { Span as OtelSpan, Tracer as OtelTracer } from '@opentelemetry/api';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import { DomainError } from '../core/errors';
import { OutageLog } from '../core/outage';
import { useTracer, type Span, type SpanAttributes, type SpanOptions, type Tracer } from '../core/tracing';
import type { Startup } from './upstream';

/** Spans that wait to be sent; further ones are dropped, so that a receiver that is down costs no memory. */
const queue = { maxQueueSize: 2_048, maxExportBatchSize: 512, scheduledDelayMillis: 1_000 } as const;

/** The time limit of a request to the receiver with its answer, in milliseconds. */
const exportMs = 5_000;

/** The longest value of an attribute, in characters. */
const maxValueLength = 200;

/**
 * Sends spans to the receiver of OTEL_EXPORTER_OTLP_ENDPOINT, by OTLP over HTTP. Without that setting nothing is loaded. It is
 * stopped last, with what is left to send.
 */
export async function startTracing({
  config,
  logger,
  shutdown,
}: Pick<Startup, 'config' | 'logger' | 'shutdown'>): Promise<void> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return;
  const [sdk, api, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/api'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const outages = new OutageLog(logger, {
    begin: 'traces cannot be sent; spans are dropped meanwhile',
    end: 'traces are sent again',
  });
  const headers = config.OTEL_EXPORTER_OTLP_HEADERS;
  const agent = new (endpoint.startsWith('https:') ? HttpsAgent : HttpAgent)({ keepAlive: true });
  const url = `${endpoint}/v1/traces`;
  const exporter = reporting(
    new OTLPTraceExporter({ url, headers, timeoutMillis: exportMs, httpAgentOptions: () => agent }),
    outages,
    () => agent.destroy(),
  );
  const share = config.OTEL_TRACES_SAMPLER_ARG;
  const byId = new sdk.TraceIdRatioBasedSampler(share);
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': config.OTEL_SERVICE_NAME }),
    sampler: new sdk.ParentBasedSampler({ root: byId }),
    spanLimits: { attributeValueLengthLimit: maxValueLength },
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, ...queue, exportTimeoutMillis: exportMs })],
  });
  const { RECORD_AND_SAMPLED } = sdk.SamplingDecision;
  const sampling = {
    // Not by the id, which the client has chosen.
    ofCaller: () => Math.random() < share,
    ofId: (id: string) => byId.shouldSample(api.ROOT_CONTEXT, id).decision === RECORD_AND_SAMPLED,
  };
  useTracer(new OtlpTracer(provider.getTracer('likeness'), api, sampling));
  shutdown.onStop(async () => {
    useTracer(null);
    // Fails if the receiver is down, which is logged.
    await provider.shutdown().catch(() => undefined);
  });
}

/**
 * The exporter, whose failures are an outage in the log. Its own time limit begins again with each byte of an answer, and its
 * stop waits for what is being sent: an answer without an end is cut off.
 * @param disconnect - closes the connections to the receiver
 */
function reporting(exporter: SpanExporter, outages: OutageLog, disconnect: () => void): SpanExporter {
  return {
    export: (spans, done) => {
      let isLate = false;
      const limit = setTimeout(() => {
        isLate = true;
        disconnect();
      }, exportMs);
      exporter.export(spans, (result) => {
        clearTimeout(limit);
        // The message of the exporter's error may have the answer of the receiver.
        if (result.error || isLate) outages.failed(new Error('The receiver did not accept the spans.'));
        else outages.succeeded();
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}

const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Which traces are recorded that this process has not begun. */
interface Sampling {
  /** A trace of a client, which has not excluded it. */
  ofCaller(): boolean;
  /** A trace by its id: the same in every process. */
  ofId(traceId: string): boolean;
}

/** Keeps the present span by AsyncLocalStorage. Only a span with the option `parent` or `caller` begins a trace. */
class OtlpTracer implements Tracer {
  private readonly present = new AsyncLocalStorage<OtelSpan>();
  private readonly kinds: Readonly<Record<NonNullable<SpanOptions['kind']>, Api.SpanKind>>;

  constructor(
    private readonly tracer: OtelTracer,
    private readonly api: typeof Api,
    private readonly sampling: Sampling,
  ) {
    const { INTERNAL, SERVER, CLIENT } = api.SpanKind;
    this.kinds = { internal: INTERNAL, server: SERVER, client: CLIENT };
  }

  run<Result>(
    name: string,
    attributes: SpanAttributes,
    { kind = 'internal', parent, caller }: SpanOptions,
    work: (span: Span) => Result,
  ): Result {
    const { trace, ROOT_CONTEXT } = this.api;
    const present = this.present.getStore();
    const isRoot = parent !== undefined || caller !== undefined;
    if (!isRoot && !present) return work(ignored);
    const remote = contextOf(parent) ?? this.contextOfCaller(caller);
    let context = ROOT_CONTEXT;
    if (remote) context = trace.setSpanContext(ROOT_CONTEXT, remote);
    else if (!isRoot) context = trace.setSpan(ROOT_CONTEXT, present!);
    const span = this.tracer.startSpan(name, { kind: this.kinds[kind], attributes }, context);
    return this.present.run(span, () => endedAfter(span, this.api.SpanStatusCode.ERROR, work));
  }

  traceparent(): string | null {
    const context = this.present.getStore()?.spanContext();
    if (!context) return null;
    return `00-${context.traceId}-${context.spanId}-0${context.traceFlags & 1}`;
  }

  traceparentOf(uuid: string): string {
    const traceId = uuid.replaceAll('-', '').toLowerCase();
    return `00-${traceId}-${traceId.slice(16)}-0${this.sampling.ofId(traceId) ? 1 : 0}`;
  }

  link(traceparent: string): void {
    const context = contextOf(traceparent);
    if (context) this.present.getStore()?.addLink({ context });
  }

  private contextOfCaller(traceparent: string | null | undefined): RemoteContext | null {
    const context = contextOf(traceparent);
    return context && { ...context, traceFlags: context.traceFlags && Number(this.sampling.ofCaller()) };
  }
}

interface RemoteContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote: true;
}

const ignored: Span = { set: () => undefined, fail: () => undefined };

function contextOf(traceparent: string | null | undefined): RemoteContext | null {
  const [, traceId, spanId, flags] = traceparentPattern.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags!, 16) & 1, isRemote: true };
}

function endedAfter<Result>(
  span: OtelSpan,
  failed: Api.SpanStatusCode,
  work: (span: Span) => Result,
): Result {
  let isFailed = false;
  const fail = (code: string): void => {
    isFailed = true;
    span.setAttribute('error.type', code);
    span.setStatus({ code: failed });
  };
  const own: Span = { set: (attributes) => void span.setAttributes(attributes), fail };
  const onError = (error: unknown): never => {
    if (!isFailed) fail(error instanceof DomainError ? error.code : 'INTERNAL_SERVER_ERROR');
    span.end();
    throw error;
  };
  let result: Result;
  try {
    result = work(own);
  } catch (error) {
    return onError(error);
  }
  if (!(result instanceof Promise)) {
    span.end();
    return result;
  }
  const ending = result.then((value: unknown) => {
    span.end();
    return value;
  }, onError);
  return ending as Result;
}
