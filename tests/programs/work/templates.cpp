// Work for C++ compilers: templates from the standard library, N of them instantiated per copy. Prints a checksum when it runs.
#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Item {
    std::array<int, N % 17 + 1> values{};
    std::string name = "item" + std::to_string(N);
    int sum() const { return std::accumulate(values.begin(), values.end(), N); }
};

template <int N> long work() {
    std::map<std::string, std::vector<Item<N>>> groups;
    for (int i = 0; i < 50; i++)
        groups["key" + std::to_string(i % (N % 5 + 1))].emplace_back();
    std::unordered_map<int, std::shared_ptr<Item<N>>> index;
    for (auto &[key, list] : groups)
        for (auto &item : list)
            index.emplace(static_cast<int>(index.size()), std::make_shared<Item<N>>(item));
    std::variant<int, std::string, std::tuple<int, Item<N>>> any = std::make_tuple(N, Item<N>{});
    std::function<long(long)> fold = [&](long x) { return x * 31 + static_cast<long>(index.size()) + static_cast<long>(any.index()); };
    std::vector<std::pair<int, std::string>> order;
    for (auto &[key, item] : index)
        order.emplace_back(item->sum() % 13 + key, item->name);
    std::sort(order.begin(), order.end());
    std::ostringstream out;
    for (auto &[a, b] : order)
        out << a << b << ',';
    return fold(static_cast<long>(std::hash<std::string>{}(out.str()) % 1000003));
}

template <int... N> long all(std::integer_sequence<int, N...>) {
    return (0L + ... + work<N>());
}

int main() {
    std::regex pattern("([a-z]+)([0-9]+)");
    std::cout << std::regex_replace(std::string("abc123 def456"), pattern, "$2$1") << ' ' << all(std::make_integer_sequence<int, COUNT>{})
              << '\n';
}
