"""Writes a C++ file that instantiates much of the standard library, N times over with types of its own."""

import sys

for header in ("algorithm", "functional", "map", "memory", "numeric", "set", "string", "tuple", "unordered_map", "variant", "vector"):
    print(f"#include <{header}>")
for i in range(int(sys.argv[1])):
    print(f"""
struct key{i} {{ int a; std::string b; bool operator<(const key{i} &o) const {{ return std::tie(a, b) < std::tie(o.a, o.b); }} }};
struct node{i} {{ std::vector<std::shared_ptr<node{i}>> children; std::variant<int, std::string, key{i}> value; }};
using table{i} = std::map<key{i}, std::vector<node{i}>>;
int visit{i}(const node{i} &n) {{
    int own = std::visit([](const auto &v) {{ return static_cast<int>(sizeof v); }}, n.value);
    return std::accumulate(n.children.begin(), n.children.end(), own, [](int s, const auto &c) {{ return s + visit{i}(*c); }});
}}
int use{i}(table{i} &t, std::unordered_map<std::string, key{i}> &names) {{
    std::set<key{i}> keys;
    for (auto &[k, v] : t) {{
        std::sort(v.begin(), v.end(), [](const node{i} &x, const node{i} &y) {{ return visit{i}(x) < visit{i}(y); }});
        keys.insert(k);
        names.emplace(k.b, k);
    }}
    std::function<int(int)> f = [&](int x) {{ return x + static_cast<int>(keys.size() + names.size()); }};
    std::vector<std::pair<key{i}, int>> flat;
    for (const auto &k : keys) flat.emplace_back(k, f(k.a));
    std::stable_sort(flat.begin(), flat.end(), [](const auto &x, const auto &y) {{ return x.second < y.second; }});
    return flat.empty() ? 0 : flat.front().second;
}}""")
