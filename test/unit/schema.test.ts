import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  isEnumType,
  isIntrospectionType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
  parse,
  validate,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
} from 'graphql';
import { apiSchema } from '../../src/app/features';
import { printAppSchema } from '../../src/graphql/build-schema';
import { exampleTabs } from '../../src/http/graphiql/graphiql-page';

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

  it('takes the operations that GraphiQL shows', () => {
    expect(exampleTabs).toHaveLength(3);
    for (const { query } of exampleTabs) expect(validate(schema, parse(query))).toEqual([]);
  });
});
