import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  getNamedType,
  isEnumType,
  isInterfaceType,
  isIntrospectionType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
  type GraphQLEnumType,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
} from 'graphql';
import { apiSchema } from '../../src/app/services';
import { errorCodes } from '../../src/core/errors';
import { printAppSchema } from '../../src/graphql/build-schema';
import { graphqlCodes } from '../../src/graphql/error-code.type';
import { failureCodes } from '../../src/jobs/failure';
import { photoProblemCodes } from '../../src/photos/photo-problem';

let schema: GraphQLSchema;

beforeAll(() => {
  schema = apiSchema();
});

/** An element of the schema by its path, with its description. */
type Described = [path: string, description: string | null | undefined];

function elements(): Described[] {
  return Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type))
    .flatMap((type) => [[type.name, type.description], ...membersOf(type)]);
}

function membersOf(type: GraphQLNamedType): Described[] {
  if (isEnumType(type))
    return type.getValues().map(({ name, description }) => [`${type.name}.${name}`, description]);
  if (isScalarType(type) || isUnionType(type)) return [];
  return Object.values(type.getFields()).flatMap(
    (field: GraphQLField<unknown, unknown> | GraphQLInputField) => {
      const path = `${type.name}.${field.name}`;
      const parameters = 'args' in field ? field.args : [];
      return [
        [path, field.description],
        ...parameters.map(({ name, description }): Described => [`${path}(${name})`, description]),
      ];
    },
  );
}

/** Public names, which are never removed. */
const promised: Record<string, string> = {
  AvatarType: 'MAN WOMAN COUPLE DOG CAT',
  ModelStatus: 'QUEUED SUBMITTING UNCERTAIN TRAINING READY FAILED CANCELLED',
  GenerationStatus: 'QUEUED SUBMITTING UNCERTAIN GENERATING STORING COMPLETED PARTIAL FAILED CANCELLED',
  Mutation:
    'createPhotoUploads(input) trainModel(input) generateAvatars(input) generateInstantAvatars(input) renameModel(input,id,name) cancelModel(input,id) retryModel(input,id) cancelGeneration(input,id) retryGeneration(input,id) deletePhoto(input,id) deleteModel(input,id) deleteGeneration(input,id) deleteAvatar(input,id) deleteMyData(input,confirm,revokeKeys)',
  Query:
    'viewer node(id) model(id) models(first,after,status,type) generation(id) generations(first,after,status) photo(id) styles',
  Subscription:
    'trainingProgress(modelId,after) generationProgress(generationId,after) avatarCompleted(generationId,modelId,after)',
  CreatePhotoUploadsInput: 'files',
  PhotoFileInput: 'filename contentType byteSize',
  CreatePhotoUploadsPayload: 'uploads',
  PhotoUpload: 'photo uploadUrl headers expiresAt',
  UploadHeader: 'name value',
  TrainModelInput: 'name type photos photoIds photoUrls provider idempotencyKey',
  TrainModelPayload: 'model',
  GenerateAvatarsInput: 'modelId prompts idempotencyKey',
  PromptInput: 'style prompt count',
  GenerateInstantAvatarsInput: 'photo photoId photoUrl prompt negativePrompt count idempotencyKey',
  GenerateAvatarsPayload: 'generation',
  DeleteModelPayload: 'deletedId',
  TrainingProgress: 'model status progress estimatedReadyAt failure cursor occurredAt isEstimate isSnapshot',
  GenerationProgress:
    'generation status progress estimatedReadyAt failure cursor occurredAt isEstimate isSnapshot',
  Job: 'id attempt canCancel canRetry createdAt cursor estimatedReadyAt failure progress updatedAt',
  AvatarCompleted: 'avatar cursor',
  AvatarModel:
    'id name type status progress estimatedReadyAt failure photos generations(first,after) avatars(first,after) providerModelId createdAt submittedAt readyAt',
  Failure: 'code message retryable',
  Generation: 'id model status progress estimatedReadyAt prompts avatars failure createdAt completedAt',
  Avatar: 'id style prompt url(size) placeholder width height byteSize contentType sha256 createdAt',
  Photo: 'id status width height byteSize problems url',
  PageInfo: 'hasNextPage hasPreviousPage startCursor endCursor',
  AvatarModelConnection: 'edges nodes pageInfo',
};

/** `models(first,after)` as the names that a client uses: `models`, `models(first)`, `models(after)`. */
function spread(names: string): string[] {
  return names.split(' ').flatMap((name) => {
    const [field = '', ...argumentNames] = name.split(/[(,)]/).filter((part) => part !== '');
    return [field, ...argumentNames.map((argument) => `${field}(${argument})`)];
  });
}

describe('the schema', () => {
  it('matches schema/schema.graphql (to update: `npm run build && npm run schema`)', () => {
    const reviewed = readFileSync(join(__dirname, '../../schema/schema.graphql'), 'utf8');
    expect(printAppSchema(schema)).toBe(reviewed);
  });

  it('describes every element in sentences', () => {
    const mute = elements().filter(([, description]) => !/^[\p{Lu}\d`“].*[.…:]$/su.test(description ?? ''));
    expect(mute).toEqual([]);
  });

  it.each(Object.entries(promised))('keeps the public names of %s', (name, names) => {
    const paths = new Set(elements().map(([path]) => path));
    expect(spread(names).filter((element) => !paths.has(`${name}.${element}`))).toEqual([]);
  });

  it.each([
    ['ErrorCode', [...Object.keys(errorCodes), ...Object.keys(graphqlCodes)]],
    ['FailureCode', [...Object.keys(failureCodes), 'UNKNOWN']],
    ['PhotoProblemCode', [...Object.keys(photoProblemCodes), 'UNKNOWN']],
    ['JobCountKind', ['model', 'generation', 'avatar']],
    ['Scope', ['READ', 'WRITE', 'ADMIN']],
  ])('has every code as a value of the open enum %s', (name, codes) => {
    const type = schema.getType(name) as GraphQLEnumType;
    expect(type.getValues().map((value) => value.name)).toEqual(codes);
    expect(type.description).toContain('More values will be added');
  });
});

/** Fields and arguments of a schema by their path, and values of enums, with their deprecation. */
function deprecations(): [path: string, reason: string][] {
  const of = (
    path: string,
    { deprecationReason }: { deprecationReason?: string | null },
  ): [string, string][] => (deprecationReason == null ? [] : [[path, deprecationReason]]);
  return Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type))
    .flatMap((type) => {
      if (isEnumType(type))
        return type.getValues().flatMap((value) => of(`${type.name}.${value.name}`, value));
      if (isScalarType(type) || isUnionType(type)) return [];
      return Object.values(type.getFields()).flatMap(
        (field: GraphQLField<unknown, unknown> | GraphQLInputField) => [
          ...of(`${type.name}.${field.name}`, field),
          ...('args' in field ? field.args : []).flatMap((argument) =>
            of(`${type.name}.${field.name}(${argument.name})`, argument),
          ),
        ],
      );
    });
}

const outputFields = (): [string, GraphQLField<unknown, unknown>][] =>
  Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type))
    .flatMap((type) =>
      isObjectType(type) || isInterfaceType(type)
        ? Object.values(type.getFields()).map((field): [string, typeof field] => [
            `${type.name}.${field.name}`,
            field,
          ])
        : [],
    );

const capitalized = (name: string): string => `${name[0]!.toUpperCase()}${name.slice(1)}`;

describe('the conventions of the schema', () => {
  const mutations = (): GraphQLField<unknown, unknown>[] =>
    Object.values(schema.getMutationType()!.getFields());

  it('give each mutation one argument `input` of its own type, besides deprecated ones', () => {
    const wrong = mutations().filter(({ name, args }) => {
      const present = args.filter(({ deprecationReason }) => deprecationReason == null);
      if (present.length === 0) return args.length > 0;
      const [{ name: argument, type }] = present as [(typeof present)[number]];
      return (
        present.length > 1 || argument !== 'input' || getNamedType(type).name !== `${capitalized(name)}Input`
      );
    });
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  it('give each mutation a nullable payload of its own type, which is used once', () => {
    const wrong = mutations().filter(({ name, type }) => String(type) !== `${capitalized(name)}Payload`);
    expect(wrong.map(({ name }) => name)).toEqual([]);
    const payloads = outputFields().filter(([, { type }]) => getNamedType(type).name.endsWith('Payload'));
    expect(payloads).toHaveLength(mutations().length);
  });

  it('make root fields nullable, except `viewer`', () => {
    const roots = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
      Object.values(type.getFields()).filter(({ type: returned }) => isNonNullType(returned)),
    );
    expect(roots.map(({ name }) => name)).toEqual(['viewer']);
  });

  it('name the replacement and the version of removal in each deprecation', () => {
    expect(deprecations().length).toBeGreaterThan(5);
    const wrong = deprecations().filter(
      ([, reason]) => !/^Use `[\w.]+`[^.]*\. Removed in \d+\.\d+\.$/.test(reason),
    );
    expect(wrong).toEqual([]);
  });

  it('use the type ID for global ids only, and say so', () => {
    const ids = outputFields().filter(([path]) => /\.(id|[a-z]\w*Ids?)$/.test(path));
    const wrong = ids.filter(([path, { type, description, deprecationReason }]) => {
      if (/\.(providerModelId|correlationId)$/.test(path) || deprecationReason != null) return false;
      return getNamedType(type).name !== 'ID' || !/global id|id of the deleted/i.test(description ?? '');
    });
    expect(wrong.map(([path]) => path)).toEqual([]);
    const typed = outputFields().filter(([, { type }]) => getNamedType(type).name === 'ID');
    const others = typed.map(([path]) => path).filter((path) => !/\.(id|[a-z]\w*Ids?)$/.test(path));
    expect(others).toEqual(['Erasure.receipt', 'DeleteMyDataPayload.receipt']);
  });

  it('name the unit in fields that hold a duration, and describe it', () => {
    const durations = elements().filter(([path]) =>
      /(Ms|Seconds|Minutes|Bytes|ByteSize|byteSize)\)?$/.test(path),
    );
    const units = /millisecond|second|minute|byte/i;
    expect(durations.length).toBeGreaterThan(3);
    expect(durations.filter(([, description]) => !units.test(description ?? ''))).toEqual([]);
    const unnamed = elements().filter(([path]) =>
      /\b(duration|timeout|delay|lag|size)$/i.test(path.replace(/\)$/, '')),
    );
    expect(
      unnamed
        .map(([path]) => path)
        .filter(
          (path) =>
            !/^(Avatar\.(url|downloadUrl)\(size\)|DownloadAvatarsInput\.size)$/.test(path) &&
            path !== 'ErrorCode.TIMEOUT',
        ),
    ).toEqual([]);
  });

  it('have nodes that implement Node on every edge, except parts of one', () => {
    const nodes = Object.values(schema.getTypeMap()).flatMap((type) =>
      isObjectType(type) && type.name.endsWith('Edge') ? [getNamedType(type.getFields().node!.type)] : [],
    );
    const others = nodes.filter(
      (type) => !isObjectType(type) || !type.getInterfaces().some(({ name }) => name === 'Node'),
    );
    expect(nodes.length).toBeGreaterThan(4);
    expect(others.map(({ name }) => name)).toEqual(['TimelineEntry']);
  });

  it('announce further values of each enum that may grow', () => {
    const closed = [
      'AvatarSize',
      'AvatarType',
      'ImageFormat',
      'Scope',
      'JobCountKind',
      'JobPriority',
      'LedgerEntryKind',
      'PhotoStatus',
      'WebhookStatus',
      'WebhookDeliveryStatus',
      'ModelStatus',
      'GenerationStatus',
    ];
    const open = Object.values(schema.getTypeMap()).filter(
      (type) =>
        isEnumType(type) &&
        !isIntrospectionType(type) &&
        !closed.includes(type.name) &&
        !type.name.endsWith('Order'),
    );
    const wrong = open.filter(
      ({ description }) => !/[Mm]ore (values )?(may|will) be added/.test(description ?? ''),
    );
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });
});
