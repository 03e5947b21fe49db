"""Right functions for RoboCodeGen's 37 problems, written for these tests, and wrong ones with what is wrong."""

SOLUTIONS = """
def get_top_most_idx(points_np):
    return points_np[:, 1].argmax()
#
def get_bottom_most_idx(points_np):
    return points_np[:, 1].argmin()
#
def get_left_most_idx(points_np):
    return int(np.argsort(points_np[:, 0])[0])
#
def get_right_most_idx(points_np):
    return int(np.argsort(points_np[:, 0])[-1])
#
def get_farthest_idx(points_np, point_np):
    return max(range(len(points_np)), key=lambda idx: np.hypot(*(points_np[idx] - point_np)))
#
def get_closest_idx(points_np, point_np):
    return min(range(len(points_np)), key=lambda idx: np.hypot(*(points_np[idx] - point_np)))
#
def get_bbox_xyxy_area(bbox_xyxy):
    return np.prod(bbox_xyxy[2:] - bbox_xyxy[:2])
#
def bbox_xyxy_contains_pt(bbox_xyxy, pt):
    return bool(np.all(bbox_xyxy[:2] <= pt) and np.all(pt <= bbox_xyxy[2:]))
#
def interpolate_pts_np(start, end, n):
    return np.array([start + (end - start) * i / (n - 1) for i in range(n)])
#
def reverse_pts(pts_np):
    return np.flip(pts_np, axis=0)
#
def normalize_vector(vector):
    return vector / np.sqrt(vector @ vector)
#
def translate_pts_np(pts_np, delta_np):
    return [pt + delta_np for pt in pts_np]
#
def rotate_pts_around_pts_center_np(pts_np, angle_deg):
    center = pts_np.mean(axis=0)
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return center + np.array([[c * x - s * y, s * x + c * y] for x, y in pts_np - center])
#
def scale_pts_around_centroid_np(pts_np, scale_x=1.5, scale_y=1.5):
    center = pts_np.mean(axis=0)
    return center + (pts_np - center) * [scale_x, scale_y]
#
def fit_2d_np_polys(ts, pts_2d_np, deg):
    return tuple(np.polyfit(ts, pts_2d_np, deg).T)
#
def evaluate_pts_2d_from_poly_coeffs(poly_x_coeffs, poly_y_coeffs, ts):
    return np.array([[np.polyval(poly_x_coeffs, t), np.polyval(poly_y_coeffs, t)] for t in ts])
#
def pd_control(x_curr, x_goal, x_dot, Kp, Kv):
    return -Kp * (x_curr - x_goal) - Kv * x_dot
#
def end_effector_impedance_control(x_curr, x_goal, x_dot, K_x_mat, D_x_mat, J):
    force = K_x_mat @ (x_goal - x_curr) - D_x_mat @ x_dot
    return J.T @ force
#
def is_discrete_system_stable(A_mat):
    return max(abs(np.linalg.eigvals(A_mat))) < 1
#
def is_closed_loop_discrete_system_stable(A_mat, B_mat, K_mat):
    return max(abs(np.linalg.eigvals(A_mat - B_mat @ K_mat))) < 1
#
def get_closest_point_on_line_to_point(line, pt_np):
    return np.array(line.interpolate(line.project(Point(pt_np))).coords[0])
#
def get_direction_orthogonal_to_line(line):
    (x0, y0), (x1, y1) = line.coords
    return np.array([y1 - y0, x0 - x1]) / line.length
#
def get_direction_orthogonal_to_line_to_point(line, pt_np):
    start, end = np.array(line.coords)
    normal = np.array([start[1] - end[1], end[0] - start[0]]) / line.length
    return normal * np.sign(normal @ (pt_np - start))
#
def get_points_from_polygon(polygon):
    return np.array(polygon.exterior.coords)
#
def interpolate_pts_along_exterior(exterior, n):
    return [exterior.interpolate(t, normalized=True).coords[0] for t in np.linspace(0, 1, n)]
#
def interpolate_pts_on_line(line, n):
    return np.linspace(*line.coords, n)
#
def make_line(start_pt_np, end_pt_np):
    return LineString([Point(start_pt_np), Point(end_pt_np)])
#
def make_circle(radius, center):
    turn = np.linspace(0, 2 * np.pi, 200)
    return Polygon(np.transpose([np.cos(turn), np.sin(turn)]) * radius + center)
#
def make_rectangle(width, height, center):
    half = np.array([width, height]) / 2
    return box(*(center - half), *(center + half))
#
def make_ellipse(center, major_axis, minor_axis):
    return scale(Point(center).buffer(1), major_axis, minor_axis)
#
def obj_shape_does_not_contain_others(obj_name, other_obj_names):
    shape = Polygon(get_obj_outer_pts_np(obj_name))
    return not any(shape.contains(Polygon(get_obj_outer_pts_np(name))) for name in other_obj_names)
#
def is_obj0_bigger_than_obj1(obj0_name, obj1_name):
    areas = [Polygon(get_obj_outer_pts_np(name)).area for name in (obj0_name, obj1_name)]
    return areas[0] > areas[1]
#
def get_one_bbox_xyxy_of_all_objs(all_obj_names):
    pts = np.concatenate([get_obj_outer_pts_np(name) for name in all_obj_names])
    return np.concatenate([pts.min(axis=0), pts.max(axis=0)])
#
def are_obj_centers_close(obj_names, threshold):
    first, *others = [get_obj_outer_pts_np(name).mean(axis=0) for name in obj_names]
    return all(bool(np.linalg.norm(first - other) < threshold) for other in others)
#
def get_name_of_biggest_obj(obj_names):
    return max(obj_names, key=lambda name: Polygon(get_obj_outer_pts_np(name)).area)
#
def do_any_object_shapes_intersect_with_each_other(obj_names):
    shapes = [Polygon(get_obj_outer_pts_np(name)) for name in obj_names]
    return any(a.intersects(b) for i, a in enumerate(shapes) for b in shapes[:i])
#
def get_name_of_obj_with_min_dist_to_pt(pt_np, obj_names):
    return min(obj_names, key=lambda name: np.linalg.norm(get_obj_outer_pts_np(name) - pt_np, axis=1).min())
"""

WRONG = {
    "wrong index": "def get_top_most_idx(points_np):\n    return points_np[:, 0].argmax()",
    "a point instead of its index": "def get_closest_idx(points_np, point_np):\n    return points_np[0]",
    "wrong order": "def reverse_pts(pts_np):\n    return pts_np",
    "wrong unit": "def rotate_pts_around_pts_center_np(pts_np, angle_deg):\n"
    "    c, s = np.cos(angle_deg), np.sin(angle_deg)\n    center = pts_np.mean(axis=0)\n"
    "    return (pts_np - center) @ np.array([[c, s], [-s, c]]) + center",
    "nothing is returned": "def normalize_vector(vector):\n    vector / np.linalg.norm(vector)",
    "wrong sign": "def pd_control(x_curr, x_goal, x_dot, Kp, Kv):\n    return Kp * (x_goal - x_curr) + Kv * x_dot",
    "always unstable": "def is_closed_loop_discrete_system_stable(A_mat, B_mat, K_mat):\n    return not False",
    "wrong side": "def get_direction_orthogonal_to_line(line):\n    (x0, y0), (x1, y1) = line.coords\n"
    "    return np.array([y0 - y1, x1 - x0]) / line.length",
    "wrong direction": "def make_line(start_pt_np, end_pt_np):\n    return LineString([end_pt_np, start_pt_np])",
    "double radius": "def make_circle(radius, center):\n    return Point(center).buffer(2 * radius)",
    "wrong corner": "def make_rectangle(width, height, center):\n"
    "    return box(center[0], center[1], center[0] + width, center[1] + height)",
    "wrong name": "def get_name_of_biggest_obj(obj_names):\n    return obj_names[-1]",
    "wrong comparison": "def is_obj0_bigger_than_obj1(obj0_name, obj1_name):\n    return False",
    "wrong box": "def get_one_bbox_xyxy_of_all_objs(all_obj_names):\n    pts = get_obj_outer_pts_np(all_obj_names[0])\n"
    "    return np.concatenate([pts.min(axis=0), pts.max(axis=0)])",
}
"""What no rule accepts."""

FAULTS = {
    "a ninth of the area": "def make_circle(radius, center):\n    return Point(center).buffer(radius / 3)",
    "a point": "def make_ellipse(center, major_axis, minor_axis):\n    return Point(center)",
    "an empty polygon": "def make_rectangle(width, height, center):\n    return Polygon()",
    "no index at all": "def get_farthest_idx(points_np, point_np):\n    return []",
    "no points at all": "def translate_pts_np(pts_np, delta_np):\n    return np.empty((0, 1, 1))",
    "a list that numpy stretches": "def get_bbox_xyxy_area(bbox_xyxy):\n"
    "    return [(bbox_xyxy[2] - bbox_xyxy[0]) * (bbox_xyxy[3] - bbox_xyxy[1])] * 9",
    "a number for yes and no": "def do_any_object_shapes_intersect_with_each_other(obj_names):\n"
    "    return len(obj_names) - 3 + ('block0' in obj_names)",
}
"""What the original's comparisons accept though it is wrong."""


def solutions() -> dict[str, str]:
    """By the function's name."""
    parts = [part.strip("\n") for part in SOLUTIONS.split("\n#\n")]
    return {name_of(part): part for part in parts}


def name_of(code: str) -> str:
    return code.partition("def ")[2].partition("(")[0]
