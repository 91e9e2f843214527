import { graphql, type GraphQLSchema } from 'graphql';
import { buildSchema } from 'type-graphql';
import { localViewer, type Viewer } from '../../src/core/viewer';
import { LoaderCache, type GraphQLContext } from '../../src/graphql/context';
import { PhotoResolver } from '../../src/photos/photo.resolver';
import { openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';

let environment: PhotoEnvironment;
let schema: GraphQLSchema;
beforeAll(async () => {
  environment = await openPhotoEnvironment();
  const resolver = new PhotoResolver(environment.photos);
  schema = await buildSchema({
    resolvers: [PhotoResolver],
    container: { get: () => resolver },
    validate: false,
  });
});
afterAll(() => environment.stop());

async function ask(
  source: string,
  variableValues: Record<string, unknown>,
  viewer: Viewer = localViewer,
): Promise<unknown> {
  const contextValue: GraphQLContext = { viewer, requestId: 'test', loaders: new LoaderCache() };
  const { data, errors } = await graphql({ schema, source, variableValues, contextValue });
  expect(errors).toBeUndefined();
  return JSON.parse(JSON.stringify(data));
}

const create = `mutation ($input: CreatePhotoUploadsInput!) {
  createPhotoUploads(input: $input) {
    uploads { photo { id status filename originalWidth problems { code message } url createdAt } uploadUrl headers { name value } expiresAt }
  }
}`;
const photo = `query ($id: ID!) { photo(id: $id) { __typename id status originalWidth originalHeight width height byteSize problems { code } url } }`;
const remove = `mutation ($id: ID!) { deletePhoto(input: { id: $id }) { deletedId } }`;

interface Created {
  createPhotoUploads: { uploads: { photo: { id: string }; uploadUrl: string }[] };
}

describe('photos in GraphQL', () => {
  it('can be created, uploaded, read and deleted', async () => {
    const input = { files: [{ filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 12_345 }] };
    const created = (await ask(create, { input })) as Created;
    const [upload] = created.createPhotoUploads.uploads;
    const id = expect.stringMatching(/^photo_[0-9a-f]{32}$/) as string;
    expect(upload).toEqual({
      photo: {
        id,
        status: 'AWAITING_UPLOAD',
        filename: 'me.jpg',
        originalWidth: null,
        problems: [],
        url: null,
        createdAt: expect.any(String) as string,
      },
      uploadUrl: expect.stringContaining(`/uploads/${upload!.photo.id}?expires=`) as string,
      headers: [{ name: 'Content-Type', value: 'image/jpeg' }],
      expiresAt: expect.any(String) as string,
    });

    const sent = await put(upload!.uploadUrl, await facePhoto(1));

    const { id: photoId } = upload!.photo;
    // `width` and `height` are deprecated.
    const size = { originalWidth: 800, originalHeight: 600, width: 800, height: 600 };
    const ready = { id: photoId, status: 'READY', ...size, problems: [] };
    expect(sent.body).toMatchObject(ready);
    const read = (await ask(photo, { id: photoId })) as { photo: { url: string } };
    expect(read.photo).toMatchObject({ __typename: 'Photo', ...ready });
    expect((await fetch(read.photo.url)).status).toBe(200);
    const otherOwner: Viewer = { ...localViewer, owner: 'other-owner' };
    expect(await ask(photo, { id: photoId }, otherOwner)).toEqual({ photo: null });
    expect(await ask(remove, { id: photoId })).toEqual({ deletePhoto: { deletedId: photoId } });
    expect(await ask(photo, { id: photoId })).toEqual({ photo: null });
    expect(await ask(photo, { id: 'rubbish' })).toEqual({ photo: null });
  });
});
