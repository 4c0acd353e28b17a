// The C++ side of main.c: everything through new and delete.
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

struct alignas(256) Wide {
    char text[300];
};

int main() {
    std::map<std::string, std::vector<int>> lists;
    for (int i = 0; i < 5000; i++) {
        lists["list number " + std::to_string(i % 701)].push_back(i);
    }
    auto wide = std::make_unique<Wide>();
    if (reinterpret_cast<size_t>(wide.get()) % 256 != 0) {
        return 1;
    }
    try {
        std::vector<char>().reserve(static_cast<size_t>(-1) / 2);
        return 1;
    } catch (const std::bad_alloc &) {
    } catch (const std::length_error &) {
    }
    size_t volatile most = static_cast<size_t>(-1) / 4;
    try {
        ::operator delete(::operator new(most));
        return 1;
    } catch (const std::bad_alloc &) {
    }
    size_t total = 0;
    for (const auto &[name, list] : lists) {
        total += name.size() * list.size();
    }
    std::cout << "worked: " << total << "\n";
}
