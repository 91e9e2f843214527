import { assertEnumType } from 'graphql';
import { buildSchemaSync, Query, Resolver } from 'type-graphql';
import { getMetadataArgsStorage } from 'typeorm';
import {
  avatarMoves,
  avatarStatuses,
  missingAvatarStates,
  unfinishedAvatarStates,
} from '../../src/generations/avatar.state';
import { generationKind, photoUse } from '../../src/generations/generation.kind';
import {
  generationMoves,
  generationStatuses,
  unfinishedGenerationStates,
} from '../../src/generations/generation.state';
import { Generation } from '../../src/generations/generation.type';
import { modelKind } from '../../src/models/model.kind';
import { modelMoves, modelStatuses, unfinishedModelStates } from '../../src/models/model.state';
import { AvatarModel } from '../../src/models/model.type';
import { photoMoves, photoStatuses } from '../../src/photos/photo.state';
import { Photo } from '../../src/photos/photo.type';

type Moves = Readonly<Record<string, readonly string[]>>;

/** All states that are reachable from the given ones. */
function reachable(moves: Moves, from: readonly string[]): Set<string> {
  const seen = new Set(from);
  for (const status of seen) for (const next of moves[status]!) seen.add(next);
  return seen;
}

@Resolver()
class Shown {
  @Query(() => AvatarModel, { nullable: true })
  model(): null {
    return null;
  }

  @Query(() => Generation, { nullable: true })
  generation(): null {
    return null;
  }

  @Query(() => Photo, { nullable: true })
  photo(): null {
    return null;
  }
}

/** The states that the API shows. */
function shown(name: string): string[] {
  const schema = buildSchemaSync({ resolvers: [Shown], validate: false });
  return assertEnumType(schema.getType(name))
    .getValues()
    .map((value) => value.name);
}

/** The states of a row, and its initial states. */
interface Table {
  jobType: string;
  moves: Moves;
  statuses: readonly string[];
  initialJobs: string[];
  /** The enum of the API; null if the API has none. */
  type: string | null;
}

const tables: Table[] = [
  {
    jobType: 'model',
    moves: modelMoves,
    statuses: modelStatuses,
    initialJobs: ['QUEUED'],
    type: 'ModelStatus',
  },
  {
    jobType: 'generation',
    moves: generationMoves,
    statuses: generationStatuses,
    initialJobs: ['QUEUED'],
    type: 'GenerationStatus',
  },
  {
    jobType: 'photo',
    moves: photoMoves,
    statuses: photoStatuses,
    initialJobs: ['AWAITING_UPLOAD', 'FETCHING'],
    type: 'PhotoStatus',
  },
  {
    jobType: 'avatar',
    moves: avatarMoves,
    statuses: avatarStatuses,
    initialJobs: ['PENDING'],
    type: null,
  },
];

describe.each(tables)('the states of a $jobType', ({ moves, statuses, initialJobs, type }) => {
  it('lead only to existing states', () => {
    expect(statuses).toEqual(Object.keys(moves));
    for (const next of Object.values(moves).flat()) expect(statuses).toContain(next);
  });

  it('can all be reached from the initial state', () => {
    expect([...reachable(moves, initialJobs)].sort()).toEqual([...statuses].sort());
  });

  it('contain no transition twice', () => {
    for (const next of Object.values(moves)) expect(new Set(next).size).toBe(next.length);
  });

  it('match those of the API', () => {
    expect(type === null ? [...statuses].sort() : shown(type).sort()).toEqual([...statuses].sort());
  });
});

describe('the states of an avatar', () => {
  it('are unfinished as long as they lead to STORED, and missing unless the generation waits for them', () => {
    const unfinished = avatarStatuses.filter((status) => avatarMoves[status].length > 0);
    expect([...unfinishedAvatarStates]).toEqual(unfinished);
    expect([...missingAvatarStates].sort()).toEqual(['DELAYED', 'LOST']);
  });
});

describe('the photos of a job', () => {
  it('are needed until the upstream has made its pictures', () => {
    const whileWaiting = ['QUEUED', 'SUBMITTING', 'UNCERTAIN'];
    expect(photoUse).toEqual({
      models: [...whileWaiting, 'TRAINING'],
      generations: [...whileWaiting, 'GENERATING'],
    });
  });
});

it('the check that a job is due excepts exactly the states that are not unfinished', () => {
  const kinds = [modelKind, generationKind];
  const ended = kinds.flatMap(({ moves, unfinished }) =>
    Object.keys(moves).filter((status) => !unfinished.includes(status)),
  );
  for (const { table } of kinds) {
    const check = getMetadataArgsStorage().checks.find(({ name }) => name === `${table}_waiting_is_due`);
    const listed = [...check!.expression.matchAll(/'([A-Z]+)'/g)].map((match) => match[1]!);
    expect(listed.sort()).toEqual([...new Set(ended)].sort());
  }
});

/** The states of a job: what trainings and generations have in common. */
interface Way {
  jobType: string;
  moves: Moves;
  unfinished: readonly string[];
  running: string;
  success: string[];
  /** The ends that a retry leaves, and a late result of a retry that failed. */
  retried: string[];
}

const ways: Way[] = [
  {
    jobType: 'model',
    moves: modelMoves,
    unfinished: unfinishedModelStates,
    running: 'TRAINING',
    success: ['READY'],
    retried: ['FAILED'],
  },
  {
    jobType: 'generation',
    moves: generationMoves,
    unfinished: unfinishedGenerationStates,
    running: 'GENERATING',
    success: ['COMPLETED', 'PARTIAL'],
    retried: ['FAILED', 'PARTIAL'],
  },
];

describe.each(ways)('a $jobType', ({ moves, unfinished, running, success, retried }) => {
  const ends = Object.keys(moves).filter((status) => !unfinished.includes(status));
  const final = Object.keys(moves).filter((status) => moves[status]!.length === 0);

  it('can reach an end from every state', () => {
    for (const status of Object.keys(moves)) {
      const reached = reachable(moves, [status]);
      expect(ends.some((end) => reached.has(end))).toBe(true);
    }
  });

  it('leaves an end state only for a better one, or to retry', () => {
    expect(final.sort()).toEqual([success[0], 'CANCELLED'].sort());
    const left = ends.filter((end) => !final.includes(end));
    expect(left).toEqual([...success.slice(1), 'FAILED']);
    for (const end of success.slice(1)) expect(moves[end]).not.toContain('FAILED');
    expect(moves.FAILED).toEqual(expect.arrayContaining(success));
  });

  it('can be cancelled in every state that is not an end', () => {
    const waiting = Object.keys(moves).filter((status) => !ends.includes(status));
    expect(waiting.filter((status) => !moves[status]!.includes('CANCELLED'))).toEqual([]);
  });

  it('is submitted from QUEUED alone', () => {
    const before = Object.keys(moves).filter((status) => moves[status]!.includes('SUBMITTING'));
    expect(before).toEqual(['QUEUED']);
  });

  it('is UNCERTAIN only after a submission', () => {
    const before = Object.keys(moves).filter((status) => moves[status]!.includes('UNCERTAIN'));
    expect(before).toEqual(['SUBMITTING']);
  });

  it('accepts a late id, unless cancelled', () => {
    const before = Object.keys(moves).filter((status) => moves[status]!.includes(running));
    expect(before.sort()).toEqual([...retried, 'QUEUED', 'SUBMITTING', 'UNCERTAIN']);
  });

  it('returns to the queue after submission only through a failure', () => {
    const before = Object.keys(moves).filter((status) => moves[status]!.includes('QUEUED'));
    expect(before.sort()).toEqual([...retried, 'SUBMITTING', 'UNCERTAIN']);
  });
});
