import { assertEnumType } from 'graphql';
import { buildSchemaSync, Query, Resolver } from 'type-graphql';
import {
  failure,
  failureCodes,
  failureColumns,
  noFailure,
  refusedFailure,
  type FailureCode,
} from '../../src/jobs/failure';
import { Failure, failureOf } from '../../src/jobs/failure.type';
import type { UpstreamRefusal } from '../../src/upstream/provider';

const codes = Object.keys(failureCodes) as FailureCode[];

@Resolver()
class FailureResolver {
  @Query(() => Failure)
  failure(): Failure {
    return failure('UPSTREAM_FAILED', '');
  }
}

describe('failures', () => {
  it.each(codes)('have a sentence with cause and fix: %s', (code) => {
    const why = failure(code, 'Do this.');
    expect(why.code).toBe(code);
    expect(why.message).toMatch(/^[A-Z].*\. Do this\.$/);
    expect(failure(code, '').message).toMatch(/\.$/);
  });

  it('are retryable exactly if the same request can succeed later', () => {
    const retryable = codes.filter((code) => failure(code, '').retryable);
    expect(retryable.sort()).toEqual([
      'MODEL_LOST_UPSTREAM',
      'PHOTO_UNREACHABLE',
      'PROVIDER_NOT_CONFIGURED',
      'RESULT_EXPIRED',
      'RESULT_UNREACHABLE',
      'RESULT_UNUSABLE',
      'SUBMISSION_UNKNOWN',
      'UPSTREAM_AUTH',
      'UPSTREAM_CREDITS',
      'UPSTREAM_FAILED',
      'UPSTREAM_TIMEOUT',
    ]);
  });

  it('are values of the enum in the schema, every code, and UNKNOWN for those of later versions', () => {
    const schema = buildSchemaSync({ resolvers: [FailureResolver], validate: false });
    const names = assertEnumType(schema.getType('FailureCode'))
      .getValues()
      .map(({ name }) => name);
    expect(names.sort()).toEqual([...codes, 'UNKNOWN'].sort());
  });

  it.each<[UpstreamRefusal | undefined, FailureCode, boolean]>([
    ['UPSTREAM_CREDITS', 'UPSTREAM_CREDITS', true],
    ['UPSTREAM_AUTH', 'UPSTREAM_AUTH', true],
    ['PHOTO_UNREACHABLE', 'PHOTO_UNREACHABLE', true],
    ['NOT_FOUND', 'MODEL_LOST_UPSTREAM', true],
    ['UPSTREAM_REJECTED', 'UPSTREAM_REJECTED', false],
    ['FORBIDDEN', 'UPSTREAM_REJECTED', false],
    [undefined, 'UPSTREAM_REJECTED', false],
  ])('map from the upstream refusal: %s', (refusal, code, retryable) => {
    expect(refusedFailure(refusal, 'type is unknown')).toMatchObject({ code, retryable });
  });

  it('include the upstream reason if the client can act on it', () => {
    expect(refusedFailure('UPSTREAM_REJECTED', 'type is unknown').message).toContain('type is unknown');
    expect(refusedFailure('PHOTO_UNREACHABLE', 'image 3: 404').message).toContain('image 3: 404');
  });

  it('are read from their columns as they were written', () => {
    const why = failure('UPSTREAM_FAILED', 'It said: no face.');
    expect(failureOf(failureColumns(why))).toEqual(why);
    expect(failureOf(noFailure)).toBeNull();
  });
});
