import type { SketchBins } from './learned-duration.entity';

/** A duration of which only a lower and an upper limit are known, in milliseconds. */
export interface DurationRange {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The bins are logarithmic: each is 2^(1/16), about 4.4 %, wider than the one before. */
const binsPerOctave = 16;
/** The last bin starts at 2^32 ms, about 50 days. */
const maxBin = 32 * binsPerOctave;
/** Each observation reduces the weight of all earlier ones by this share, so that some 200 of them count. */
const forgottenShare = 1 / 200;
/** The share of an observation's weight that is distributed as the earlier observations are. */
const knownShare = 0.95;
/** Bins with less weight are removed. */
const minWeight = 1e-4;

/** The shares of jobs at which {@link DurationSketch.quantiles} has values. The ends are cut, because they are rare. */
const shares = Array.from({ length: 21 }, (_, index) => Math.min(0.995, Math.max(0.005, index / 20)));

/**
 * The distribution of durations, in at most 513 weights. An observation is a range, because the end of a job is only
 * known to lie between two polls; its weight is spread evenly over the range.
 */
export class DurationSketch {
  private readonly weights: number[];

  constructor(bins: SketchBins = {}) {
    this.weights = new Array<number>(maxBin + 1).fill(0);
    for (const [bin, weight] of Object.entries(bins)) {
      if (Number(bin) in this.weights && weight > 0) this.weights[Number(bin)] = weight;
    }
  }

  /** The sum of the weights: the number of observations that count. */
  get total(): number {
    return this.weights.reduce((sum, weight) => sum + weight, 0);
  }

  get bins(): SketchBins {
    const entries = [...this.weights.entries()].filter(([, weight]) => weight >= minWeight);
    return Object.fromEntries(entries.map(([bin, weight]) => [bin, Number(weight.toPrecision(6))]));
  }

  /**
   * Adds an observation, and forgets a small share of the earlier ones. Most of its weight is distributed over the range
   * as the earlier observations are, so that observations together are more exact than each of them.
   */
  learn(range: DurationRange): void {
    const known = new DurationSketch();
    for (const { bin, share } of overlapsOf(range)) known.weights[bin] = this.weights[bin]! * share;
    for (const bin of this.weights.keys()) this.weights[bin]! *= 1 - forgottenShare;
    const knownWeight = known.total > 0 ? knownShare : 0;
    this.blend(known, knownWeight);
    this.add(range, 1 - knownWeight);
  }

  /** Adds a weight, evenly distributed over a range. */
  add(range: DurationRange, weight: number): void {
    const overlaps = overlapsOf(range);
    const totalMs = overlaps.reduce((sum, { ms }) => sum + ms, 0);
    for (const { bin, ms } of overlaps) {
      this.weights[bin]! += totalMs > 0 ? (weight * ms) / totalMs : weight / overlaps.length;
    }
  }

  /** Adds the distribution of another sketch with the given weight in all. */
  blend(other: DurationSketch, weight: number): void {
    const { total } = other;
    if (total === 0) return;
    for (const [bin, value] of other.weights.entries()) this.weights[bin]! += (value * weight) / total;
  }

  /**
   * The durations that 0, 5, 10 … 100 % of jobs do not exceed, in milliseconds, increasing.
   * The sketch must not be empty.
   */
  quantiles(): number[] {
    const { total } = this;
    const found: number[] = [];
    let below = 0;
    for (const [bin, weight] of this.weights.entries()) {
      while (found.length < shares.length && weight > 0) {
        const missing = shares[found.length]! * total - below;
        if (missing > weight) break;
        found.push(startOf(bin) + (startOf(bin + 1) - startOf(bin)) * Math.max(0, missing / weight));
      }
      below += weight;
    }
    while (found.length < shares.length) found.push(found.at(-1) ?? 1);
    return found.map(Math.round);
  }
}

function binOf(ms: number): number {
  return Math.min(maxBin, Math.max(0, Math.floor(binsPerOctave * Math.log2(Math.max(1, ms)))));
}

/** The bins that a range overlaps: for how long, and which share of the bin that is. */
function overlapsOf({ minMs, maxMs }: DurationRange): { bin: number; ms: number; share: number }[] {
  const overlaps = [];
  for (let bin = binOf(minMs); bin <= binOf(maxMs); bin += 1) {
    const [startMs, endMs] = [startOf(bin), startOf(bin + 1)];
    const ms = Math.max(0, Math.min(maxMs, endMs) - Math.max(minMs, startMs));
    overlaps.push({ bin, ms, share: ms / (endMs - startMs) });
  }
  return overlaps;
}

function startOf(bin: number): number {
  return 2 ** (bin / binsPerOctave);
}
