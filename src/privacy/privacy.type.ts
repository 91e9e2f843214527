import { Field, ID, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';

@ObjectType({ description: 'Numbers of erased objects.' })
export class ErasureCounts {
  @Field(() => Int, { description: 'Photos, including their files.' })
  photos: number;

  @Field(() => Int, { description: 'Models.' })
  models: number;

  @Field(() => Int, { description: 'Generations.' })
  generations: number;

  @Field(() => Int, { description: 'Avatars, with their pictures and previews.' })
  avatars: number;
}

@ObjectType({
  description: 'The record of an erasure. It contains no personal data.',
})
export class Erasure {
  @Field(() => ID, {
    description:
      'A random id. Keep it: the query `erasure` and the operator can find this record only by its receipt.',
  })
  receipt: string;

  @Field(() => DateTimeScalar, { description: 'The time from which the data cannot be read.' })
  erasedAt: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When the last row was deleted. The files of the pictures are deleted after their rows, some thousands a second. Null while rows are left; the erasure continues without the client.',
  })
  completedAt: Date | null;

  @Field(() => ErasureCounts, { description: 'Numbers of objects erased so far.' })
  counts: ErasureCounts;
}

@ObjectType({ description: 'The download URL of an archive.' })
export class ExportMyDataPayload {
  @Field(() => UrlScalar, {
    description:
      'A GET request returns a ZIP archive with `data.json`, the avatars and the photos. The archive is created during the download. Anyone who has the URL can download the archive, so keep it secret.',
  })
  url: string;

  @Field(() => DateTimeScalar, { description: 'The URL is valid until this time.' })
  expiresAt: Date;
}
