/** Values that describe a span. They contain no prompt, signature, key or owner in clear. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A part of the work in a trace. */
export interface Span {
  /** Adds attributes; those that are undefined are left out. */
  set(attributes: SpanAttributes): void;
  /** Marks the span as failed, with a code and never a message, which could contain input. */
  fail(code: string): void;
}

/** How a span relates to others. */
export interface SpanOptions {
  /** @defaultValue `internal` */
  readonly kind?: 'server' | 'client' | 'internal';
  /**
   * The W3C `traceparent` of the span that this one continues, which this gateway has made and decided to record or not;
   * null begins a trace.
   * @defaultValue the present span; without one, nothing is recorded
   */
  readonly parent?: string | null;
  /**
   * In place of `parent`: a `traceparent` that a client has sent. It may exclude its trace from being recorded, and cannot
   * include it: the operator's share decides. Null or a malformed one begins a trace.
   */
  readonly caller?: string | null;
}

/** Records spans. */
export interface Tracer {
  /** Runs `work` in a span, which ends with it; an error that it throws fails the span, unless `work` has. */
  run<Result>(
    name: string,
    attributes: SpanAttributes,
    options: SpanOptions,
    work: (span: Span) => Result,
  ): Result;
  /** The W3C `traceparent` of the present span; null outside of spans. */
  traceparent(): string | null;
  /** The `traceparent` of the trace that a UUID names, the same in every process. */
  traceparentOf(uuid: string): string;
  /** Adds a link to another trace to the present span, if there is one. */
  link(traceparent: string): void;
}

/** Null unless traces are enabled. One for the process, since spans are recorded in every layer. */
let tracer: Tracer | null = null;

const noSpan: Span = { set: () => undefined, fail: () => undefined };

/** Sets what records the spans of this process; null: nothing is recorded. */
export function useTracer(next: Tracer | null): void {
  tracer = next;
}

/** Whether spans are recorded, so that attributes that cost something need not be made. */
export function isTracing(): boolean {
  return tracer !== null;
}

/** Runs `work` in a span if traces are enabled; otherwise it only calls `work`. */
export function traced<Result>(
  name: string,
  attributes: SpanAttributes,
  work: (span: Span) => Result,
  options: SpanOptions = {},
): Result {
  return tracer === null ? work(noSpan) : tracer.run(name, attributes, options, work);
}

/** The W3C `traceparent` of the present span; null outside of spans, and unless traces are enabled. */
export function currentTraceparent(): string | null {
  return tracer?.traceparent() ?? null;
}

/** The `traceparent` of the trace that a UUID names, the same in every process; null unless traces are enabled. */
export function traceparentOf(uuid: string): string | null {
  return tracer?.traceparentOf(uuid) ?? null;
}

/** Adds a link to the trace that a UUID names to the present span, if there is one. */
export function linkTraceOf(uuid: string): void {
  tracer?.link(tracer.traceparentOf(uuid));
}
