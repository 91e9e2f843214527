import fc from 'fast-check';
import { JobHarness } from '../support/job-harness';
import { jobTypes } from '../support/job-scenarios';
import { brokenInvariants, unsettled } from './jobs-model/invariants';
import { JobSimulation, type InitialJob } from './jobs-model/simulation';
import {
  type answers,
  holds,
  pollCrashes,
  storeCrashes,
  submitCrashes,
  type times,
  type ResponseName,
  type Meanwhile,
  type Step,
} from './jobs-model/steps';

/** The number of simulations; `PROPERTY_RUNS=1000` for a thorough search. */
const numRuns = Number(process.env.PROPERTY_RUNS ?? 30);
/** Repeats the simulations of a failure, which prints this seed. */
const seed = process.env.PROPERTY_SEED === undefined ? {} : { seed: Number(process.env.PROPERTY_SEED) };
const timeLimitMs = Number(process.env.PROPERTY_SECONDS ?? 45) * 1_000;

const by = fc.nat(1);
const job = fc.nat(1);
const keysOf = <Name extends string>(names: Record<Name, unknown>): Name[] => Object.keys(names) as Name[];

/** One of the names, with the given weights. */
const weighted = <Name extends string>(weights: Record<Name, number>): fc.Arbitrary<Name> =>
  fc.constantFrom(...keysOf(weights).flatMap((name) => Array<Name>(weights[name]).fill(name)));

/** Most steps have no crash. */
const dyingAt = <Point extends string>(points: readonly Point[]): fc.Arbitrary<Point | null> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constantFrom(...points) });

const response = weighted({
  ...{ accept: 7, acceptWhileCut: 1, duplicate: 1, refuse: 1, refuseForNow: 2, later: 1, unreachable: 1 },
  ...{ unclearTaken: 2, unclearLost: 2 },
} satisfies Record<ResponseName, number>);
const responseOrHold = fc.oneof(
  { weight: 4, arbitrary: response },
  { weight: 1, arbitrary: fc.constantFrom(...holds) },
);
const says = weighted({
  ...{ running: 3, half: 3, most: 3, hasUnknownStatus: 1, notFound: 1, timesOut: 2, limits: 1, failed: 3 },
  ...{ done: 3, doneInPart: 2, doneInVain: 1, doneEmpty: 1 },
} satisfies Record<keyof typeof answers, number>);
const time = weighted({ aMoment: 3, grace: 3, deadline: 2, aDay: 1 } satisfies Record<
  keyof typeof times,
  number
>);

const op = <Name extends Step['op']>(...names: Name[]): fc.Arbitrary<Name> => fc.constantFrom(...names);
const meanwhile: fc.Arbitrary<Meanwhile | null> = fc.oneof(
  { weight: 10, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: fc.record({ op: op('poll'), job, says }) },
  { weight: 1, arbitrary: fc.record({ op: op('cancel', 'retry', 'delete'), job }) },
  { weight: 1, arbitrary: fc.record({ op: op('wait'), job, time }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      op: op('submit'),
      by,
      job,
      response: responseOrHold,
      crash: dyingAt(submitCrashes),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ op: op('answer'), call: fc.nat(3), response, crash: dyingAt(submitCrashes) }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ op: op('poll'), by, job, says, crash: dyingAt(pollCrashes), meanwhile }),
  },
  { weight: 4, arbitrary: fc.record({ op: op('store'), by, crash: dyingAt(storeCrashes) }) },
  { weight: 4, arbitrary: fc.record({ op: op('wait'), job, time }) },
  { weight: 8, arbitrary: fc.record({ op: op('retry', 'retry', 'retry', 'fetch'), job }) },
  { weight: 1, arbitrary: fc.record({ op: op('delete', 'cancel'), job }) },
  {
    weight: 4,
    arbitrary: fc.record({ op: op('crash', 'cut', 'mend', 'mend', 'mend', 'replay'), by }),
  },
);

// Without bias most histories are long; short ones find few errors.
const history = fc.noBias(fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }));
const initialJob = fc.record({ jobType: fc.constantFrom(...jobTypes), isSubmitted: fc.boolean() });
const initialJobs = fc.tuple(initialJob, initialJob);

describe('two jobs and two processes under random sequences of operations and crashes', () => {
  let harness: JobHarness;

  beforeAll(async () => {
    harness = await JobHarness.open();
  });

  afterAll(() => harness.stop());

  it(
    'never pay twice per request, lose no id, take only allowed state transitions, and end',
    async () => {
      const live = async (of: readonly InitialJob[], happening: readonly Step[]): Promise<void> => {
        const simulation = await JobSimulation.open(harness, of);
        for (const [index, step] of happening.entries()) {
          await simulation.perform(step);
          expect({ after: index, step, broken: await brokenInvariants(simulation) }).toMatchObject({
            broken: [],
          });
        }
        await simulation.settle();
        expect(await unsettled(simulation)).toEqual([]);
      };
      const property = fc.asyncProperty(initialJobs, history, async (of, happening) => {
        try {
          await live(of, happening);
        } finally {
          await harness.clear();
        }
      });
      await fc.assert(property, {
        ...seed,
        numRuns,
        plugins: [fc.interruptAfterTimeLimit(timeLimitMs)],
      });
    },
    timeLimitMs * 6,
  );
});
