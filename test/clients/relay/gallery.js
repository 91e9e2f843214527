// Operations as a Relay application writes them: fragments with connections, global ids, and `node`.
import { graphql } from 'relay-runtime';

export const query = graphql`
  query galleryQuery($first: Int!) {
    viewer {
      owner
    }
    ...galleryModels @arguments(first: $first)
  }
`;

export const models = graphql`
  fragment galleryModels on Query
  @argumentDefinitions(first: { type: "Int!" }, after: { type: "String" })
  @refetchable(queryName: "galleryModelsQuery") {
    models(first: $first, after: $after) @connection(key: "gallery_models") {
      edges {
        node {
          id
          ...galleryModel
        }
      }
    }
  }
`;

export const model = graphql`
  fragment galleryModel on AvatarModel
  @argumentDefinitions(first: { type: "Int", defaultValue: 12 }, after: { type: "String" })
  @refetchable(queryName: "galleryModelQuery") {
    name
    status
    progress
    failure {
      message
    }
    avatars(first: $first, after: $after) @connection(key: "gallery_avatars") {
      edges {
        node {
          style
          url(size: PX_256)
        }
      }
    }
  }
`;

export const train = graphql`
  mutation galleryTrainMutation($input: TrainModelInput!, $connections: [ID!]!) {
    trainModel(input: $input) {
      model @prependNode(connections: $connections, edgeTypeName: "AvatarModelEdge") {
        ...galleryModel
      }
    }
  }
`;

export const remove = graphql`
  mutation galleryRemoveMutation($id: ID!, $connections: [ID!]!) {
    deleteModel(input: { id: $id }) {
      deletedId @deleteEdge(connections: $connections) @deleteRecord
    }
  }
`;

export const progress = graphql`
  subscription galleryProgressSubscription($modelId: ID!, $after: String) {
    trainingProgress(modelId: $modelId, after: $after) {
      cursor
      model {
        ...galleryModel
      }
    }
  }
`;
