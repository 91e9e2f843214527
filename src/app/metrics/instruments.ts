import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The labels of a metric. Every value is from a set that clients cannot extend. */
export type Labels = Readonly<Record<string, string>>;

/** Creates a counter, which begins at 0 for each of the given labels, so that its first increase is seen. */
export function counterOf(
  registry: Registry,
  { name, help, begin = [] }: { name: string; help: string; begin?: readonly Labels[] },
  labelNames: readonly string[] = [],
): (labels?: Labels, by?: number) => void {
  const counter = new Counter<string>({ name, help, labelNames, registers: [registry] });
  for (const labels of begin) counter.inc(labels, 0);
  return (labels = {}, by = 1) => counter.inc(labels, by);
}

/** Upper bounds of durations, in seconds. */
const defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Creates a histogram of durations in seconds. */
export function durationsOf(
  registry: Registry,
  { name, help }: { name: string; help: string },
  labelNames: readonly string[],
): (labels: Labels, seconds: number) => void {
  const histogram = new Histogram<string>({
    ...{ name, help, labelNames, registers: [registry] },
    buckets: defaultBuckets,
  });
  return (labels, seconds) => histogram.observe(labels, seconds);
}

/** Sets all values of a gauge; one without values has no line. */
export function setValues(gauge: Gauge, labelNames: readonly string[], values: readonly GaugeValue[]): void {
  gauge.reset();
  // prom-client sets a gauge without labels to 0.
  if (labelNames.length === 0) gauge.remove();
  for (const [labels, value] of values) gauge.set(labels, value);
}

/** A value of a gauge with its labels. */
export type GaugeValue = readonly [labels: Labels, value: number];

interface GaugeOptions {
  readonly name: string;
  readonly help: string;
  readonly read: () => readonly GaugeValue[];
  /** `counter`: the value only increases. @defaultValue gauge */
  readonly type?: 'counter';
}

/** Creates a gauge whose values are read from memory on each scrape. Values that are no longer read are left out. */
export function gaugeOf(
  registry: Registry,
  { name, help, read, type }: GaugeOptions,
  labelNames: readonly string[] = [],
): void {
  const options = { name, help, labelNames, registers: [registry] };
  if (type === 'counter') {
    const counter = new Counter<string>({
      ...options,
      collect: () => {
        counter.reset();
        for (const [labels, value] of read()) counter.inc(labels, value);
      },
    });
    return;
  }
  const gauge = new Gauge<string>({
    ...options,
    collect: () => {
      setValues(gauge, labelNames, read());
    },
  });
}
