package app

// Home is where the kubelet keeps its files.
const Home = `C:\var\lib\kubelet`
