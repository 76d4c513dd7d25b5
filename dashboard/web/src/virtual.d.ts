declare module "virtual:outline" {
  const outline: { type: "MultiPolygon"; coordinates: number[][][][] };
  export default outline;
}
